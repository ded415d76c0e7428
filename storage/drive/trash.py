"""The trash: what DELETE removes and what MOVE and COPY overwrite, until it is purged.

Only the top of what is deleted is marked, and hung out of the tree; all below it stays as it is.
So deleting and restoring a tree of any size change one row, and what lies below a trashed folder
is out of every listing's reach. Removing for good is in `purging`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, conditions, locks, nodes
from storage.drive.changes import Change, ChangeKind
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.nodes import Chain, Node
from storage.drive.paths import LONGEST_NAME, Path
from storage.drive.spaces import Space, Tree
from storage.drive.tables import changes as changes_table
from storage.drive.tables import nodes as nodes_table
from storage.errors import NotFound


@dataclass(frozen=True, slots=True)
class Trashed:
    """The top of something in the trash. `deleted_by` is None once that was forgotten."""

    id: int
    space_id: int
    name: str
    kind: str
    size: int
    deleted_at: datetime
    original_parent_id: int | None
    deleted_by: str | None


def delete(
    tx: Tx, *, tree: Tree, path: Path, actor: Actor, expected: Expected = UNCONDITIONAL
) -> Node:
    """Move a file, or a folder with all that is in it, to the trash (RFC 4918 §9.6).

    Raises NotFound, NotAllowed for the top of a tree, Changed, Locked; then nothing was deleted.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    # The condition first: a client that expects something of what is gone must hear that.
    conditions.check(tx, chain=chain, expected=expected)
    node = chain.existing()
    nodes.refuse_top(chain)
    reach = locks.Reach.of_removal(chain)
    locks.require(tx, reach, space_id=tree.space.id, tokens=expected.lock_tokens, actor=actor)
    discard(tx, chain=chain, actor=actor)
    return node


def discard(tx: Tx, *, chain: Chain, actor: Actor) -> int:
    """Move what is at the chain's end to the trash, with every check done; return the change."""
    node, space = chain.existing(), chain.tree.space
    seq = changes.take_seq(tx, space.id)
    locks.drop(tx, space_id=space.id, node_id=node.id)
    tx.connection.execute(
        update(nodes_table)
        .where(nodes_table.c.id == node.id)
        .values(
            parent_id=None,
            original_parent_id=node.parent_id,
            deleted_at=tx.now,
            delete_batch=seq,
            is_shared=False,
        )
    )
    deltas = dict.fromkeys(chain.folder_ids, -node.size)
    nodes.touch(tx, seq=seq, deltas=deltas, changed={chain.parent_id})
    details = {"size": node.size, "kind": node.kind}
    change = Change(ChangeKind.DELETE, seq, node.id, chain.path, chain.spot, None, details)
    changes.record(tx, change, space=space, actor=actor)
    return seq


def list_trashed(tx: Tx, *, space_id: int) -> list[Trashed]:
    """Return what is in a space's trash, newest first."""
    newest_first = (nodes_table.c.deleted_at.desc(), nodes_table.c.id.desc())
    query = _query().where(nodes_table.c.space_id == space_id).order_by(*newest_first)
    return [_trashed(row) for row in tx.connection.execute(query)]


def restore(tx: Tx, *, space: Space, node_id: int, actor: Actor) -> tuple[Node, Path]:
    """Put something back where it was; return it, and where it is now.

    To the top of the drive when its folder is gone, under another name when its own is taken.
    Raises NotFound when it is not in this space's trash, and Locked when the folder it would
    return to is: nobody's token opens that, the lock has to end first.
    """
    tx.serialise_on("space", space.id)
    query = _query().where(nodes_table.c.space_id == space.id, nodes_table.c.id == node_id)
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("This is not in the trash.")
    trashed = _trashed(row)
    folder = find_path(tx, space=space, node_id=trashed.original_parent_id) or Path()
    tree = Tree(space)
    path = _free_path(tx, tree, folder, trashed.name)
    chain = nodes.find(tx, tree=tree, path=path)
    reach = locks.Reach.of_member(chain)
    locks.require(tx, reach, space_id=space.id, tokens=(), actor=actor)
    _hang_again(tx, chain, trashed, actor)
    return nodes.get_by_id(tx, node_id), path


def find_path(tx: Tx, *, space: Space, node_id: int | None) -> Path | None:
    """Return the path of a live node; None when it, or a folder above it, is not there."""
    names: list[str] = []
    while node_id is not None and node_id != space.root_id:
        query = select(nodes_table.c.parent_id, nodes_table.c.name).where(
            nodes_table.c.id == node_id, nodes_table.c.space_id == space.id
        )
        row = tx.connection.execute(query).one_or_none()
        if row is None or row.parent_id is None:
            return None
        names.insert(0, row.name)
        node_id = row.parent_id
    return None if node_id is None else Path(tuple(names))


def _hang_again(tx: Tx, chain: Chain, trashed: Trashed, actor: Actor) -> None:
    space, spot = chain.tree.space, chain.spot
    seq = changes.take_seq(tx, space.id)
    values = nodes.name_columns(spot.name) | {
        "parent_id": spot.parent_id, "original_parent_id": None, "deleted_at": None,
        "delete_batch": None, "change_seq": seq,
    }  # fmt: skip
    mine = nodes_table.c.id == trashed.id
    tx.connection.execute(update(nodes_table).where(mine).values(values))
    deltas = dict.fromkeys(chain.folder_ids, trashed.size)
    nodes.touch(tx, seq=seq, deltas=deltas, changed={spot.parent_id})
    change = Change(ChangeKind.RESTORE, seq, trashed.id, chain.path, None, spot)
    changes.record(tx, change, space=space, actor=actor)


def _free_path(tx: Tx, tree: Tree, folder: Path, name: str) -> Path:
    """Return the path itself, or with a number before the extension: `a (2).txt`."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    number = 1
    candidate = name
    while nodes.find(tx, tree=tree, path=Path((*folder.names, candidate))).node is not None:
        number += 1
        tail = f" ({number}){dot}{extension}"[-LONGEST_NAME + 1 :]
        candidate = stem[: LONGEST_NAME - len(tail)] + tail
    return Path((*folder.names, candidate))


def _query() -> Select[Any]:
    deleted_in = (changes_table.c.space_id == nodes_table.c.space_id) & (
        changes_table.c.seq == nodes_table.c.delete_batch
    )
    return (
        select(
            nodes_table.c.id, nodes_table.c.space_id, nodes_table.c.name, nodes_table.c.kind,
            nodes_table.c.size, nodes_table.c.deleted_at, nodes_table.c.original_parent_id,
            changes_table.c.credential,
        )
        .outerjoin(changes_table, deleted_in)
        .where(nodes_table.c.deleted_at.is_not(None), nodes_table.c.purged_at.is_(None))
    )  # fmt: skip


def _trashed(row: Iterable[Any]) -> Trashed:
    return Trashed(*row)  # Any: columns of all types
