"""Housekeeping: what nobody refers to any more goes, and what was left half-way is ended.

Safe beside everything else and in several processes at once. A blob is deleted only after a
transaction has claimed it: the row of one that lost its last reference becomes an orphan in one
statement that looks for references, and one that no row knows is given an orphan's row, whose
unique key then stops whoever was about to publish it. Who adds a reference to a blob holds the
lock of a space in which one is already, so none can appear once a claim has seen none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update

from storage.audit import SYSTEM
from storage.db import Database, Tx
from storage.drive import changes, chunks, purging, spaces, uploads, usage, versions
from storage.drive.blobs import BlobEntry, BlobStore
from storage.drive.tables import blobs as blobs_table
from storage.drive.tables import locks, nodes, upload_parts
from storage.drive.tables import versions as versions_table
from storage.drive.uploads import ORPHAN, RELEASED, STORED, claim_stray, forget_orphans

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept."""

    trash_days: float = 30.0
    changes_days: float = 30.0
    stray_days: float = 2.0  # longer than any upload takes: only to leave running ones in peace
    ended_uploads_days: float = 1.0
    claims_days: float = 30.0  # how late somebody may still try to publish what was swept


@dataclass(frozen=True, slots=True)
class Swept:
    """What went, or, in a dry run, what would go now."""

    locks: int = 0
    reservations: int = 0
    uploads: int = 0
    trashed: int = 0
    versions: int = 0
    changes: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    strays: int = 0
    unfinished: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Swept)))


def sweep(
    database: Database, blobs: BlobStore, *, keeping: Keeping, lists_store: bool = False
) -> Iterator[Swept]:
    """Do all there is to do, and tell after each piece what went.

    Listing the whole store, for what a crash has left in it, costs much and is asked for seldom.
    Raises Unavailable when the database or the store is away; what was done by then is done.
    """
    yield Swept(locks=database.write(drop_expired_locks))
    yield from _end_expired(database)
    yield from _empty_old_trash(database, keeping)
    yield from _forget_old(database, keeping)
    yield from _delete_unreferenced(database, blobs)
    if lists_store:
        yield from _delete_strays(database, blobs, keeping)


def estimate(database: Database, blobs: BlobStore, *, keeping: Keeping) -> Swept:
    """Count what a sweep would remove, and change nothing."""
    counted = database.read(partial(_count, keeping=keeping))
    oldest = database.read(lambda tx: tx.now) - timedelta(days=keeping.stray_days)
    old = [entry for entry in blobs.list() if entry.modified_at < oldest]
    strays = 0
    for start in range(0, len(old), _AT_ONCE):
        some = old[start : start + _AT_ONCE]
        strays += len(database.read(partial(_unknown, some=some)))
    return counted + Swept(strays=strays)


def drop_expired_locks(tx: Tx) -> int:
    """Remove locks that have run out; they stood in nobody's way any more."""
    return tx.connection.execute(delete(locks).where(locks.c.expires_at <= tx.now)).rowcount


def _end_expired(database: Database) -> Iterator[Swept]:
    expired = database.read(usage.list_expired)
    for lease in expired:
        if database.write(partial(_end_lease, lease=lease)):
            yield Swept(reservations=1)
    for upload in database.read(chunks.list_expired):
        if database.write(partial(_end_upload, upload=upload)):
            yield Swept(uploads=1)


def _end_lease(tx: Tx, lease: usage.Reservation) -> bool:
    # It may have been renewed since it was listed; then it isn't listed any more.
    tx.serialise_on("space", lease.space_id)
    return usage.is_expired(tx, reservation=lease) and usage.release(tx, reservation=lease)


def _end_upload(tx: Tx, upload: chunks.Upload) -> bool:
    tx.serialise_on("space", upload.space_id)
    if not chunks.is_expired(tx, upload=upload):
        return False
    chunks.abort(tx, upload=upload, state="expired")
    return True


def _empty_old_trash(database: Database, keeping: Keeping) -> Iterator[Swept]:
    for space_id, node_id in database.read(purging.list_begun):
        yield Swept(trashed=purging.finish(database, space_id=space_id, node_id=node_id))
    for space in database.read(spaces.list_spaces):
        before = database.read(lambda tx: tx.now) - timedelta(days=keeping.trash_days)
        removed = purging.empty(database, space=space, actor=SYSTEM, deleted_before=before)
        if removed:
            yield Swept(trashed=removed)


def _forget_old(database: Database, keeping: Keeping) -> Iterator[Swept]:
    for space in database.read(spaces.list_spaces):
        space_id = space.id

        def purge_versions(tx: Tx, space_id: int = space_id) -> int:
            before = tx.now - timedelta(days=keeping.trash_days)
            return versions.purge(tx, space_id=space_id, replaced_before=before)

        def compact(tx: Tx, space_id: int = space_id) -> int:
            before = tx.now - timedelta(days=keeping.changes_days)
            return changes.compact(tx, space_id=space_id, before=before)

        yield from (Swept(versions=count) for count in _repeated(database, purge_versions))
        yield from (Swept(changes=count) for count in _repeated(database, compact))

    def forget(tx: Tx) -> int:
        before = tx.now - timedelta(days=keeping.ended_uploads_days)
        return chunks.forget_ended(tx, before=before)

    def forget_gone(tx: Tx) -> int:
        return uploads.forget_gone(tx, before=tx.now - timedelta(days=keeping.claims_days))

    yield from (Swept(uploads=count) for count in _repeated(database, forget))
    for _ in _repeated(database, forget_gone):
        pass


def _repeated(database: Database, act: Callable[[Tx], int]) -> Iterator[int]:
    while count := database.write(act):
        yield count


def _delete_unreferenced(database: Database, blobs: BlobStore) -> Iterator[Swept]:
    while database.write(_claim_released):
        pass
    while claimed := database.read(_list_orphans):
        for key, _ in claimed:
            blobs.delete(key)
        database.write(partial(forget_orphans, keys=[key for key, _ in claimed]))
        yield Swept(blobs=len(claimed), blob_bytes=sum(size for _, size in claimed))


def _claim_released(tx: Tx) -> int:
    """Look at blobs that lost a reference: claim those without any, and let the others be."""
    released = select(blobs_table.c.id).where(blobs_table.c.state == RELEASED)
    some_released = released.order_by(blobs_table.c.id).limit(_AT_ONCE)
    # Held first, looked at afterwards: whoever drops a reference updates the row too, so that
    # this either waits for them and sees it dropped, or they wait and mark it released again.
    ids = list(tx.connection.scalars(some_released.with_for_update()))
    some = and_(blobs_table.c.id.in_(ids), blobs_table.c.state == RELEASED)
    unused = and_(*(~reference for reference in _references()))
    # One statement, so that it sees all references as they were at one moment.
    tx.connection.execute(update(blobs_table).where(some, unused).values(state=ORPHAN))
    tx.connection.execute(update(blobs_table).where(some).values(state=STORED))
    return len(ids)


def _references() -> list[ColumnElement[bool]]:
    return [
        exists().where(table.c.blob_id == blobs_table.c.id)
        for table in (nodes, versions_table, upload_parts)
    ]


def _list_orphans(tx: Tx) -> list[tuple[str, int]]:
    query = select(blobs_table.c.storage_key, blobs_table.c.size)
    orphans = query.where(blobs_table.c.state == ORPHAN).limit(_AT_ONCE)
    return [(row[0], row[1]) for row in tx.connection.execute(orphans)]


def _delete_strays(database: Database, blobs: BlobStore, keeping: Keeping) -> Iterator[Swept]:
    oldest = database.read(lambda tx: tx.now) - timedelta(days=keeping.stray_days)
    waiting: list[BlobEntry] = []
    for entry in blobs.list():
        if entry.modified_at < oldest:
            waiting.append(entry)
        if len(waiting) == _AT_ONCE:
            yield _delete_unknown(database, blobs, waiting)
            waiting = []
    yield _delete_unknown(database, blobs, waiting)
    yield Swept(unfinished=blobs.sweep_unfinished(started_before=oldest))


def _delete_unknown(database: Database, blobs: BlobStore, some: list[BlobEntry]) -> Swept:
    count = size = 0
    for entry in database.read(partial(_unknown, some=some)):
        if not database.write(partial(claim_stray, key=entry.key, size=entry.size)):
            continue
        blobs.delete(entry.key)
        database.write(partial(forget_orphans, keys=[entry.key]))
        count, size = count + 1, size + entry.size
    return Swept(strays=count, blob_bytes=size)


def _unknown(tx: Tx, some: list[BlobEntry]) -> list[BlobEntry]:
    keys = [entry.key for entry in some]
    query = select(blobs_table.c.storage_key).where(blobs_table.c.storage_key.in_(keys))
    known = set(tx.connection.scalars(query))
    return [entry for entry in some if entry.key not in known]


def _count(tx: Tx, keeping: Keeping) -> Swept:
    def number(*conditions: ColumnElement[bool]) -> int:
        return tx.connection.execute(select(func.count()).where(*conditions)).scalar_one()

    old = tx.now - timedelta(days=keeping.trash_days)
    is_loose = and_(blobs_table.c.state == RELEASED, *(~found for found in _references()))
    is_unused = is_loose | (blobs_table.c.state == ORPHAN)
    freed = select(func.coalesce(func.sum(blobs_table.c.size), 0)).where(is_unused)
    return Swept(
        locks=number(locks.c.expires_at <= tx.now),
        reservations=len(usage.list_expired(tx)),
        uploads=len(chunks.list_expired(tx)),
        trashed=number(nodes.c.deleted_at < old),
        versions=number(versions_table.c.replaced_at < old),
        blobs=number(is_unused),
        blob_bytes=int(tx.connection.execute(freed).scalar_one()),
    )
