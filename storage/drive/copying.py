"""The rows of a copied tree, made by the database itself in a handful of statements.

Every new row needs an id before its members can point at it; the table `node_copies` holds, until
the end of the transaction, which new id stands for which old one. Called by `transfer` only, which
has checked everything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    column,
    delete,
    false,
    func,
    insert,
    literal,
    null,
    select,
    table,
    update,
)

from storage.audit import Actor
from storage.db import Tx
from storage.drive import listing, nodes
from storage.drive.changes import credential_of
from storage.drive.nodes import Chain
from storage.drive.tables import dead_properties, node_copies
from storage.drive.tables import nodes as nodes_table
from storage.schema import UtcTime


def copy_rows(
    tx: Tx,
    *,
    source: Chain,
    goal: Chain,
    seq: int,
    is_deep: bool,
    mtime: datetime | None,
    actor: Actor,
) -> int:
    """Copy a node, with all below it if `is_deep`, and hang it at the goal; return its id.

    Bytes are shared, dead properties copied; times of content are kept, except the top's when
    `mtime` is given. Returns the id of the new top.
    """
    top, space_id = source.existing(), goal.tree.space.id
    _number(tx, space_id, top.id, is_deep=is_deep and top.is_folder)
    _insert_nodes(tx, space_id, goal, top.id, seq=seq, actor=actor)
    _insert_properties(tx, space_id)
    new_id: int = tx.connection.execute(
        select(node_copies.c.new_id).where(
            node_copies.c.space_id == space_id, node_copies.c.old_id == top.id
        )
    ).scalar_one()
    own: dict[str, object] = nodes.name_columns(goal.path.name)
    if mtime is not None:
        own["mtime"] = mtime
    if not is_deep and top.is_folder:
        own["size"] = 0
    # Named last: under its old name it would meet its original, were both in one folder. Until
    # here it is marked as deleted, so that it has no name to be met by.
    own |= {"deleted_at": None}
    tx.connection.execute(update(nodes_table).where(nodes_table.c.id == new_id).values(own))
    tx.connection.execute(delete(node_copies).where(node_copies.c.space_id == space_id))
    return new_id


def _number(tx: Tx, space_id: int, top_id: int, *, is_deep: bool) -> None:
    if is_deep:
        below = listing.subtree([top_id])
        old_id = below.c.id
    else:
        old_id = nodes_table.c.id
    numbered: Any = select(literal(space_id), old_id, _next_id(tx, old_id))  # Any: a select
    if not is_deep:
        numbered = numbered.where(nodes_table.c.id == top_id)
    names = ("space_id", "old_id", "new_id")
    tx.connection.execute(insert(node_copies).from_select(names, numbered))


def _next_id(tx: Tx, old_id: ColumnElement[int]) -> ColumnElement[Any]:
    """Return an expression that gives each row an id that nobody has or will be given."""
    if tx.is_sqlite:
        # We are the only writer. Inserting rows with these ids moves SQLite's own count along.
        counts = table("sqlite_sequence", column("name"), column("seq"))
        last = select(counts.c.seq).where(counts.c.name == "nodes").scalar_subquery()
        return last + func.row_number().over(order_by=old_id)
    return func.nextval(func.pg_get_serial_sequence("nodes", "id"))


def _insert_nodes(
    tx: Tx, space_id: int, goal: Chain, top_id: int, *, seq: int, actor: Actor
) -> None:
    old = nodes_table
    mine, above = node_copies.alias("mine"), node_copies.alias("above")
    is_top = old.c.id == top_id
    now = literal(tx.now, UtcTime)
    same = ("name", "name_href", "name_xml", "kind", "blob_id", "size", "content_type", "mtime",
            "colour")  # fmt: skip
    values: dict[str, ColumnElement[Any]] = {
        "id": mine.c.new_id,
        "space_id": literal(space_id),
        "parent_id": case((is_top, literal(goal.parent_id)), else_=above.c.new_id),
        "etag": case((old.c.kind == "folder", nodes.folder_etag(tx, seq)), else_=old.c.etag),
        "is_shared": false(),
        "version": literal(1),
        "change_seq": literal(seq),
        "created_at": now,
        "modified_at": now,
        "modified_by": literal(credential_of(actor)),
        "deleted_at": case((is_top, now), else_=null()),
        **{name: old.c[name] for name in same},
    }
    joined = mine.join(old, old.c.id == mine.c.old_id).outerjoin(
        above, and_(above.c.space_id == mine.c.space_id, above.c.old_id == old.c.parent_id)
    )
    rows = select(*values.values()).select_from(joined).where(mine.c.space_id == space_id)
    tx.connection.execute(insert(nodes_table).from_select(list(values), rows))


def _insert_properties(tx: Tx, space_id: int) -> None:
    kept = dead_properties
    rows = (
        select(node_copies.c.new_id, kept.c.name_hash, kept.c.namespace, kept.c.name, kept.c.xml)
        .join(node_copies, node_copies.c.old_id == kept.c.node_id)
        .where(node_copies.c.space_id == space_id)
    )
    names = ("node_id", "name_hash", "namespace", "name", "xml")
    tx.connection.execute(insert(kept).from_select(names, rows))
