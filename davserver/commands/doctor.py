"""`davserver doctor`: look at everything, say what to do."""

from __future__ import annotations

import click

from davserver.doctor import Finding, State, examine
from davserver.output import json_option, print_json, print_table
from davserver.session import Session, pass_session
from storage.errors import Misconfigured


@click.command()
@json_option
@pass_session
def doctor(session: Session, as_json: bool) -> None:
    """Check configuration, keys, database, schema, blobs, clock and certificate."""
    try:
        findings = examine(session.config)
    except Misconfigured as error:
        findings = [Finding("configuration", State.BAD, line) for line in error.message.split("\n")]
    if as_json:
        print_json([{"part": f.part, "state": f.state, "words": f.words} for f in findings])
    else:
        print_table(("part", "state", "what"), [(f.part, f.state, f.words) for f in findings])
    if any(finding.state is State.BAD for finding in findings):
        click.get_current_context().exit(1)
