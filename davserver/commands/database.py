"""`davserver db`: the database's schema."""

from __future__ import annotations

import click

from davserver.output import count, json_option, print_json, print_line
from davserver.session import Session, pass_session
from storage import migrations


@click.group(name="db")
def database() -> None:
    """Look at the database's schema and upgrade it."""


@database.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Say which schema the database has, and what is still to do."""
    with session.database() as opened:
        found = migrations.read_status(opened)
    if as_json:
        print_json({"current": found.current, "newest": found.newest, "pending": found.pending})
    elif found.is_current:
        print_line(f"The database is at schema {found.current}, the newest.")
    else:
        print_line(
            f"The database is {'empty' if found.current is None else f'at {found.current}'}; "
            f"to do: {', '.join(found.pending)}. Run: davserver db upgrade"
        )


@database.command()
@json_option
@pass_session
def upgrade(session: Session, as_json: bool) -> None:
    """Take the database to the newest schema, in one transaction."""
    with session.database() as opened:
        before = migrations.upgrade(opened)
    if as_json:
        print_json({"before": before.current, "now": before.newest, "done": before.pending})
    elif before.is_current:
        print_line(f"Nothing to do: the database is at schema {before.newest}.")
    else:
        print_line(f"Upgraded to schema {before.newest} ({count(len(before.pending), 'step')}).")
