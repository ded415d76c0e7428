"""`davserver trash`: what was deleted, and bringing it back or ending it for good."""

from __future__ import annotations

import click

from davserver.commands.spaces import drive_options, get_space
from davserver.output import (
    count,
    day,
    json_option,
    print_hint,
    print_json,
    print_line,
    print_table,
)
from davserver.session import Session, pass_session
from storage.audit import COMMAND_LINE
from storage.db import Tx
from storage.drive import purging
from storage.drive import trash as drive_trash
from storage.drive.nodes import Node
from storage.drive.paths import Path
from storage.drive.trash import Trashed


@click.group()
def trash() -> None:
    """List what was deleted, bring it back, or remove it for good."""


@trash.command(name="list")
@drive_options
@json_option
@pass_session
def list_(session: Session, account_name: str, mailbox_id: int | None, as_json: bool) -> None:
    """List what is in the trash of a drive."""

    def act(tx: Tx) -> list[Trashed]:
        space = get_space(tx, account_name, mailbox_id)
        return drive_trash.list_trashed(tx, space_id=space.id)

    with session.existing_store() as store:
        found = store.database.read(act)
    if as_json:
        print_json(
            [
                {
                    "id": each.id,
                    "name": each.name,
                    "kind": each.kind,
                    "size": each.size,
                    "deleted_at": each.deleted_at.isoformat(),
                    "deleted_by": each.deleted_by,
                }
                for each in found
            ]
        )
    elif not found:
        print_hint("The trash is empty.")
    else:
        rows = [(it.id, it.name, it.kind, it.size, day(it.deleted_at)) for it in found]
        print_table(("id", "name", "kind", "bytes", "deleted"), rows)


@trash.command()
@drive_options
@click.argument("node_id", type=int, metavar="ID")
@json_option
@pass_session
def restore(
    session: Session, account_name: str, mailbox_id: int | None, node_id: int, as_json: bool
) -> None:
    """Put something back where it was, under another name if that is taken."""

    def act(tx: Tx) -> tuple[Node, Path]:
        space = get_space(tx, account_name, mailbox_id)
        return drive_trash.restore(tx, space=space, node_id=node_id, actor=COMMAND_LINE)

    with session.existing_store() as store:
        _, path = store.database.write(act)
    if as_json:
        print_json({"id": node_id, "path": str(path)})
        return
    print_line(f"Restored as {path}")


@trash.command()
@drive_options
@click.confirmation_option(prompt="Remove all of it for good?")
@json_option
@pass_session
def empty(session: Session, account_name: str, mailbox_id: int | None, as_json: bool) -> None:
    """Remove all that is in the trash, for good."""
    with session.existing_store() as store:
        space = store.database.read(lambda tx: get_space(tx, account_name, mailbox_id))
        removed = purging.empty(store.database, space=space, actor=COMMAND_LINE)
    if as_json:
        print_json({"removed": removed})
        return
    print_line(f"Removed {count(removed, 'item')}.")
