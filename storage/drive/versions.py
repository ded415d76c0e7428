"""Versions: what a PUT replaced. Kept as long as the trash, counted like it, restorable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, locks, nodes, publishing, trash, uploads, usage
from storage.drive.changes import Change, ChangeKind
from storage.drive.nodes import Node
from storage.drive.paths import Path
from storage.drive.spaces import Space, Tree
from storage.drive.tables import nodes as nodes_table
from storage.drive.tables import versions
from storage.errors import NotFound


@dataclass(frozen=True, slots=True)
class Version:
    """What a file held until it was replaced."""

    id: int
    node_id: int
    blob_id: int | None
    size: int
    etag: str
    mtime: datetime
    replaced_at: datetime
    replaced_by: str | None


_COLUMNS = tuple(versions.c[name] for name in Version.__dataclass_fields__)


def list_versions(tx: Tx, *, tree: Tree, path: Path) -> list[Version]:
    """Return what a file held before, newest first. Raises NotFound."""
    node = nodes.get(tx, tree=tree, path=path).existing()
    query = select(*_COLUMNS).where(versions.c.node_id == node.id).order_by(versions.c.id.desc())
    return [Version(*row) for row in tx.connection.execute(query)]


def restore(tx: Tx, *, space: Space, version_id: int, actor: Actor) -> tuple[Node, Path]:
    """Make a version the file's content again; what that is now becomes a version itself.

    Raises NotFound when this space has no such version of a live file, Locked when the file is.
    """
    tx.serialise_on("space", space.id)
    query = (
        select(*_COLUMNS)
        .join(nodes_table, nodes_table.c.id == versions.c.node_id)
        .where(versions.c.id == version_id, nodes_table.c.space_id == space.id)
    )
    row = tx.connection.execute(query).one_or_none()
    path = None if row is None else trash.find_path(tx, space=space, node_id=row.node_id)
    if row is None or path is None:
        raise NotFound("There is no such version of a file that is there.")
    version = Version(*row)
    chain = nodes.get(tx, tree=Tree(space), path=path)
    node = chain.existing()
    locks.require(tx, locks.Reach.of_content(chain), space_id=space.id, tokens=(), actor=actor)
    seq = changes.take_seq(tx, space.id)
    publishing.keep_version(tx, node, actor=actor)
    tx.connection.execute(delete(versions).where(versions.c.id == version.id))
    values = {
        "blob_id": version.blob_id, "size": version.size, "etag": version.etag,
        "mtime": version.mtime, "content_type": node.content_type,
    }  # fmt: skip
    publishing.replace_content(tx, node.id, values, seq=seq, actor=actor)
    deltas = dict.fromkeys(chain.folder_ids, version.size - node.size)
    nodes.touch(tx, seq=seq, deltas=deltas)
    details = {"size": version.size, "etag": version.etag, "version": version.id}
    change = Change(ChangeKind.PUT, seq, node.id, path, chain.spot, chain.spot, details)
    changes.record(tx, change, space=space, actor=actor)
    return nodes.get_by_id(tx, node.id), path


def purge(tx: Tx, *, space_id: int, replaced_before: datetime, limit: int = 500) -> int:
    """Remove versions from before that moment, oldest first; return how many went."""
    tx.serialise_on("space", space_id)
    query = (
        select(versions.c.id)
        .join(nodes_table, nodes_table.c.id == versions.c.node_id)
        .where(nodes_table.c.space_id == space_id, versions.c.replaced_at < replaced_before)
        .order_by(versions.c.replaced_at)
        .limit(limit)
    )
    return _remove(tx, space_id, tx.connection.scalars(query).all())


def remove_of_nodes(tx: Tx, *, space_id: int, node_ids: Sequence[int]) -> int:
    """Remove every version of these nodes, which are about to go themselves."""
    query = select(versions.c.id).where(versions.c.node_id.in_(node_ids))
    return _remove(tx, space_id, tx.connection.scalars(query).all())


def _remove(tx: Tx, space_id: int, version_ids: Sequence[int]) -> int:
    if not version_ids:
        return 0
    some = versions.c.id.in_(version_ids)
    freed = tx.connection.execute(select(func.sum(versions.c.size)).where(some)).scalar()
    held = select(versions.c.blob_id).where(some, versions.c.blob_id.is_not(None))
    blob_ids = [blob_id for blob_id in tx.connection.scalars(held) if blob_id is not None]
    tx.connection.execute(delete(versions).where(some))
    uploads.release_blobs(tx, blob_ids)
    usage.add(tx, space_id=space_id, used=-int(freed or 0))
    return len(version_ids)
