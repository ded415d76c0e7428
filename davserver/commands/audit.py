"""`davserver audit`: read the audit log, export it, prove it whole."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click

from davserver.output import (
    count,
    day,
    json_option,
    print_hint,
    print_json,
    print_json_array,
    print_line,
    print_table,
    to_json,
)
from davserver.session import Session, pass_session
from storage.audit import SERVER_CHAIN, iter_events, list_events
from storage.audit_chain import Head, Verdict, verify
from storage.errors import Invalid

_CSV_COLUMNS = (
    "at", "account_id", "seq", "category", "action", "outcome", "actor_type", "actor_id",
    "actor_label", "target_type", "target_id", "target_label", "ip", "user_agent", "request_id",
    "metadata", "hash",
)  # fmt: skip
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@click.group()
def audit() -> None:
    """Read, export and verify the audit log."""


@audit.command()
@click.option("-n", "--lines", default=20, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@pass_session
def tail(session: Session, lines: int, as_json: bool) -> None:
    """Show the newest events, the newest last."""
    with session.existing_store() as store:
        events = store.database.read(lambda tx: list_events(tx, limit=lines))[::-1]
    if as_json:
        print_json(events)
        return
    if not events:
        print_hint("Nothing has been recorded yet.")
        return
    columns = ("account_id", "actor_label", "action", "target_label", "outcome", "ip")
    rows = [
        [day(datetime.fromisoformat(str(event["at"]))), *(event[column] for column in columns)]
        for event in events
    ]
    print_table(("when (UTC)", "account", "who", "what", "on", "outcome", "from"), rows)


@audit.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="One JSON object a line, or a table for spreadsheets.",
)
@json_option
@pass_session
def export(session: Session, form: str, as_json: bool) -> None:
    """Write every event to standard output, oldest first."""
    with session.existing_store() as store:
        events = iter_events(store.database)
        if as_json:
            print_json_array(events)
        elif form == "csv":
            _write_csv(events)
        else:
            for event in events:
                print_line(to_json(event))


@audit.command(name="verify")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="What an earlier 'verify --json' printed: shows a tail that was cut since.",
)
@json_option
@pass_session
def verify_(session: Session, against: Path | None, as_json: bool) -> None:
    """Check every link of the chain, and name each event that was changed, removed or moved."""
    noted = _read_heads(against) if against is not None else ()
    with session.existing_store() as store, store.database.reading() as tx:
        verdict = verify(tx, against=noted)
    if as_json:
        print_json(_plain(verdict))
    else:
        for fault in verdict.faults:
            print_line(f"{_chain(fault.account_id)}, event {fault.seq} {fault.what}")
        _print_summary(verdict)
    if verdict.faults:
        click.get_current_context().exit(1)


def _print_summary(verdict: Verdict) -> None:
    if verdict.faults:
        print_hint(
            f"davserver: The audit log does not verify: {count(len(verdict.faults), 'fault')} in "
            f"{count(verdict.rows, 'event')}. Compare with a backup from before."
        )
        return
    where = count(len(verdict.heads), "chain")
    print_line(f"The audit log is whole: {count(verdict.rows, 'event')} in {where}.")
    for head in verdict.heads:
        print_line(f"{_chain(head.account_id)} up to event {head.seq}: {head.hash}")


def _chain(account_id: int) -> str:
    return "the server itself" if account_id == SERVER_CHAIN else f"account {account_id}"


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "ok": not verdict.faults,
        "events": verdict.rows,
        "heads": [
            {"account_id": head.account_id, "seq": head.seq, "hash": head.hash}
            for head in verdict.heads
        ],
        "faults": [
            {"account_id": fault.account_id, "seq": fault.seq, "what": fault.what}
            for fault in verdict.faults
        ],
    }


def _read_heads(path: Path) -> tuple[Head, ...]:
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))["heads"]
        return tuple(
            Head(int(head["account_id"]), int(head["seq"]), str(head["hash"])) for head in heads
        )
    except (ValueError, KeyError, TypeError):
        raise Invalid(f"{path} is not what 'davserver audit verify --json' prints.") from None


def _write_csv(events: Iterable[dict[str, object]]) -> None:
    writer = csv.DictWriter(sys.stdout, fieldnames=_CSV_COLUMNS)
    writer.writeheader()
    for event in events:
        writer.writerow({key: _csv_cell(value) for key, value in event.items()})


def _csv_cell(value: object) -> object:
    if isinstance(value, dict):
        return to_json(value)
    # What begins like a formula would be one to a spreadsheet, whoever chose the words.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_SIGNS) else value
