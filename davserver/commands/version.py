"""`davserver version`: what a file held before, and bringing it back."""

from __future__ import annotations

import click

from davserver.commands.spaces import drive_options, get_space
from davserver.output import day, json_option, print_hint, print_json, print_line, print_table
from davserver.session import Session, pass_session
from storage.audit import COMMAND_LINE
from storage.db import Tx
from storage.drive import versions
from storage.drive.nodes import Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.drive.versions import Version


@click.group()
def version() -> None:
    """List what a file held before it was replaced, and bring it back."""


@version.command(name="list")
@drive_options
@click.argument("path")
@json_option
@pass_session
def list_(
    session: Session, account_name: str, mailbox_id: int | None, path: str, as_json: bool
) -> None:
    """List the versions of the file at PATH, newest first."""

    def act(tx: Tx) -> list[Version]:
        tree = Tree(get_space(tx, account_name, mailbox_id))
        return versions.list_versions(tx, tree=tree, path=Path.parse(path))

    with session.existing_store() as store:
        found = store.database.read(act)
    if as_json:
        print_json(
            [
                {"id": it.id, "size": it.size, "replaced_at": it.replaced_at.isoformat()}
                for it in found
            ]
        )
    elif not found:
        print_hint("This file was never replaced.")
    else:
        rows = [(it.id, it.size, day(it.mtime), day(it.replaced_at)) for it in found]
        print_table(("id", "bytes", "changed", "replaced"), rows)


@version.command()
@drive_options
@click.argument("version_id", type=int, metavar="ID")
@json_option
@pass_session
def restore(
    session: Session, account_name: str, mailbox_id: int | None, version_id: int, as_json: bool
) -> None:
    """Make a version the file's content again; what it holds now becomes a version."""

    def act(tx: Tx) -> tuple[Node, Path]:
        space = get_space(tx, account_name, mailbox_id)
        return versions.restore(tx, space=space, version_id=version_id, actor=COMMAND_LINE)

    with session.existing_store() as store:
        _, path = store.database.write(act)
    if as_json:
        print_json({"id": version_id, "path": str(path)})
        return
    print_line(f"{path} has its former content again.")
