"""Removing for good what is in the trash, in pieces, so that no transaction lasts long.

`begin` marks the top: from then on it is neither shown nor restored, and whoever sweeps goes on
with it, also after a crash. `remove_some` then takes rows away, the deepest first, and keeps the
counters right at every commit. The bytes are left to the sweeper.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import delete, func, select, update

from storage.audit import Actor
from storage.db import Database, Tx
from storage.drive import changes, listing, uploads, usage, versions
from storage.drive.spaces import Space
from storage.drive.tables import nodes, share_links
from storage.errors import NotFound

_AT_ONCE = 500


def purge(database: Database, *, space: Space, node_id: int, actor: Actor) -> int:
    """Remove something in the trash for good; return how many files and folders went.

    Raises NotFound when it is not in this space's trash.
    """
    database.write(lambda tx: begin(tx, space=space, node_id=node_id, actor=actor))
    return finish(database, space_id=space.id, node_id=node_id)


def empty(
    database: Database, *, space: Space, actor: Actor, deleted_before: datetime | None = None
) -> int:
    """Remove all that is in the trash, or what was deleted before that moment."""
    tops = database.read(lambda tx: list_tops(tx, space_id=space.id, deleted_before=deleted_before))
    removed = 0
    for node_id in tops:
        try:
            removed += purge(database, space=space, node_id=node_id, actor=actor)
        except NotFound:
            continue  # restored, or purged by somebody else, since the listing
    return removed


def list_tops(tx: Tx, *, space_id: int, deleted_before: datetime | None = None) -> Sequence[int]:
    """Return the ids of what is in the trash, oldest first."""
    query = select(nodes.c.id).where(
        nodes.c.space_id == space_id, nodes.c.deleted_at.is_not(None), nodes.c.purged_at.is_(None)
    )
    if deleted_before is not None:
        query = query.where(nodes.c.deleted_at < deleted_before)
    return tx.connection.scalars(query.order_by(nodes.c.deleted_at, nodes.c.id)).all()


def list_begun(tx: Tx) -> list[tuple[int, int]]:
    """Return space and node of every purge that was begun and not finished."""
    query = select(nodes.c.space_id, nodes.c.id).where(
        nodes.c.deleted_at.is_not(None), nodes.c.purged_at.is_not(None)
    )
    return [(row[0], row[1]) for row in tx.connection.execute(query)]


def begin(tx: Tx, *, space: Space, node_id: int, actor: Actor) -> None:
    """Mark something in the trash as being removed. Raises NotFound."""
    tx.serialise_on("space", space.id)
    is_it = (nodes.c.id == node_id) & (nodes.c.space_id == space.id)
    in_trash = nodes.c.deleted_at.is_not(None) & nodes.c.purged_at.is_(None)
    marked = update(nodes).where(is_it, in_trash).values(purged_at=tx.now)
    row = tx.connection.execute(
        marked.returning(nodes.c.name, nodes.c.kind, nodes.c.size, nodes.c.delete_batch)
    ).one_or_none()
    if row is None:
        raise NotFound("This is not in the trash.")
    if row.kind == "folder":
        # A report can't tell any more what was in it: who has a token from then must list anew.
        changes.refuse_tokens_before(tx, space_id=space.id, seq=row.delete_batch)
    changes.audit(
        tx,
        "drive:node:purged",
        space=space,
        actor=actor,
        node_id=node_id,
        label=row.name,
        details={"size": row.size, "kind": row.kind},
    )


def finish(database: Database, *, space_id: int, node_id: int) -> int:
    """Remove a marked node with all below it, in as many transactions as it takes."""
    below = database.read(lambda tx: _list_deepest_first(tx, node_id))
    for start in range(0, len(below), _AT_ONCE):
        some = below[start : start + _AT_ONCE]
        database.write(partial(remove_some, space_id=space_id, node_ids=some))
    return len(below)


def remove_some(tx: Tx, *, space_id: int, node_ids: Sequence[int]) -> None:
    """Remove these nodes, none of which has members left, with what hangs on them."""
    tx.serialise_on("space", space_id)
    some = nodes.c.id.in_(node_ids)
    versions.remove_of_nodes(tx, space_id=space_id, node_ids=node_ids)
    tx.connection.execute(delete(share_links).where(share_links.c.node_id.in_(node_ids)))
    files = some & (nodes.c.kind == "file")
    freed = tx.connection.execute(select(func.sum(nodes.c.size)).where(files)).scalar()
    held = select(nodes.c.blob_id).where(some, nodes.c.blob_id.is_not(None))
    blob_ids = [blob_id for blob_id in tx.connection.scalars(held) if blob_id is not None]
    tx.connection.execute(delete(nodes).where(some))  # dead properties go with them
    uploads.release_blobs(tx, blob_ids)
    usage.add(tx, space_id=space_id, used=-int(freed or 0))


def _list_deepest_first(tx: Tx, node_id: int) -> Sequence[int]:
    below = listing.subtree([node_id])
    query = select(below.c.id).order_by(below.c.depth.desc(), below.c.id)
    return tx.connection.scalars(query).all()
