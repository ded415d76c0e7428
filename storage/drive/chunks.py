"""Files sent in pieces: an upload area, private to each device, that ends as one file.

Both Nextcloud protocols: v1 names a part by its first and last byte, v2 by a number from 1 to
10000. Parts are blobs of their own; `assemble` streams them into a new one, and `finish` publishes
that. What is kept here counts as reserved until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update

from storage.audit import Actor
from storage.db import Tx
from storage.drive import nodes, publishing, uploads, usage
from storage.drive.blobs import BlobReader, BlobRef, BlobStore
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.paths import Path, clean_name
from storage.drive.publishing import Published
from storage.drive.spaces import Space, Tree
from storage.drive.tables import blobs as blobs_table
from storage.drive.tables import upload_parts
from storage.drive.tables import uploads as uploads_table
from storage.drive.uploads import ANYTHING, EMPTY, Staged, Wanted
from storage.drive.usage import NO_LIMIT, Quota, Reservation
from storage.errors import AlreadyExists, Incomplete, Invalid, NotFound

LONGEST_SECONDS = 24 * 3600.0
"""How long an area lives after its last part."""

MOST_PARTS = 10_000
_RANGE = re.compile(r"(\d{15,16})-(\d{15,16})")
_NUMBER = re.compile(r"0*([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload area. `size` is what the client announced for the whole, if it did."""

    id: int
    space_id: int
    device_id: int
    name: str
    target: str | None
    size: int | None
    reserved_bytes: int
    state: str
    blob_id: int | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A piece that has arrived."""

    name: str
    size: int
    blob_id: int
    ref: BlobRef
    created_at: datetime


_COLUMNS = tuple(uploads_table.c[name] for name in Upload.__dataclass_fields__)


def begin(
    tx: Tx, *, space: Space, device_id: int, name: str, target: str | None = None,
    size: int | None = None, quota: Quota = NO_LIMIT, longest_seconds: float = LONGEST_SECONDS,
) -> Upload:  # fmt: skip
    """Open an area under the client's name for it.

    An announced size is reserved at once. Raises AlreadyExists, OverQuota, Invalid for the name.
    """
    tx.serialise_on("space", space.id)
    reserved = size or 0
    usage.require_room(tx, space=space, quota=quota, wanted=reserved)
    values = {
        "space_id": space.id, "device_id": device_id, "name": clean_name(name), "target": target,
        "size": size, "reserved_bytes": reserved, "state": "initiated", "created_at": tx.now,
        "expires_at": tx.now + timedelta(seconds=longest_seconds),
    }  # fmt: skip
    if _find(tx, space, device_id, name, "initiated") is not None:
        raise AlreadyExists("This upload has begun already.")
    made = insert(uploads_table).values(values).returning(*_COLUMNS)
    upload = Upload(*tx.connection.execute(made).one())
    usage.add(tx, space_id=space.id, reserved=reserved)
    return upload


def get(tx: Tx, *, space: Space, device_id: int, name: str) -> Upload:
    """Return a running upload of this device. Raises NotFound, for another device's too."""
    upload = _find(tx, space, device_id, clean_name(name), "initiated")
    if upload is None or upload.expires_at <= tx.now:
        raise NotFound("There is no such upload.")
    return upload


def list_parts(tx: Tx, *, upload: Upload) -> list[Part]:
    """Return the parts that have arrived, in the order of their names."""
    rows = tx.connection.execute(_parts_of(upload.id).order_by(upload_parts.c.name))
    return [
        Part(row.name, row.size, row.blob_id, BlobRef(row.storage_key, row.size), row.created_at)
        for row in rows
    ]


def count_spare(tx: Tx, *, upload: Upload) -> int:
    """Return how many bytes are reserved for parts that have not arrived yet."""
    _, arrived = _count(tx, upload.id)
    return max(0, upload.reserved_bytes - arrived)


def add_part(
    tx: Tx, *, space: Space, upload: Upload, name: str, staged: Staged, quota: Quota = NO_LIMIT,
    reservation: Reservation | None = None, longest_seconds: float = LONGEST_SECONDS,
) -> bool:  # fmt: skip
    """Keep a staged body as a part; one of the same name is replaced. Return whether it is new.

    Raises Invalid for a name that no part has and for an empty part, NotFound when the upload
    has ended meanwhile, OverQuota.
    """
    order_of(name)
    if staged.ref is None:
        raise Invalid("A part holds at least one byte.", field="part")
    tx.serialise_on("space", space.id)
    current = _running(tx, upload)
    usage.release(tx, reservation=reservation)
    is_new = _drop_parts(tx, upload.id, name) == 0
    blob_id = uploads.insert_blob(tx, staged=staged)
    values = {
        "upload_id": upload.id, "name": name, "blob_id": blob_id, "size": staged.size,
        "created_at": tx.now,
    }  # fmt: skip
    tx.connection.execute(insert(upload_parts).values(values))
    count, arrived = _count(tx, upload.id)
    if count > MOST_PARTS:
        raise Invalid(f"An upload has at most {MOST_PARTS} parts.", field="part")
    reserved = max(current.size or 0, arrived)
    grown = reserved - current.reserved_bytes
    usage.require_room(tx, space=space, quota=quota, wanted=grown)
    usage.add(tx, space_id=space.id, reserved=grown)
    expires_at = tx.now + timedelta(seconds=longest_seconds)
    _update(tx, upload.id, reserved_bytes=reserved, expires_at=expires_at)
    return is_new


def order_of(name: str) -> tuple[int, int | None]:
    """Return where a part stands: its first byte and its last (v1), or its number (v2).

    Raises Invalid for a name that is neither.
    """
    if found := _RANGE.fullmatch(name):
        first, last = int(found[1]), int(found[2])
        if first <= last:
            return first, last
    elif (found := _NUMBER.fullmatch(name)) and int(found[1]) <= MOST_PARTS:
        return int(found[1]), None
    raise Invalid("A part is named by its bytes or by its number.", field="part")


def in_order(parts: Sequence[Part]) -> list[Part]:
    """Return the parts as they follow each other: by bytes in v1, by number in v2.

    Raises Incomplete when one is missing, overlaps, or has not the bytes that its name says.
    """
    ordered = sorted(parts, key=lambda part: order_of(part.name))
    kinds = {order_of(part.name)[1] is None for part in ordered}
    if len(kinds) > 1:
        raise Incomplete("The parts are named in two different ways.")
    position = 0
    for part in ordered:
        first, last = order_of(part.name)
        if last is None:
            continue  # v2 numbers may have gaps: clients skip them when they go on
        if first != position or last - first + 1 != part.size:
            raise Incomplete("A part is missing, or is not as long as its name says.")
        position = last + 1
    return ordered


def assemble(
    blobs: BlobStore,
    parts: Sequence[Part],
    *,
    wanted: Wanted = ANYTHING,
    **lease: Any,  # Any: see stage
) -> Staged:
    """Stream the parts into one new blob; no transaction is open.

    Raises Incomplete when parts are missing, or together are not as wanted; Unavailable.
    """
    ordered = in_order(parts)
    if not ordered:
        return EMPTY if wanted.size in (None, 0) else _refuse_missing()
    total = sum(part.size for part in ordered)
    if wanted.size is not None and wanted.size != total:
        _refuse_missing()
    known = Wanted(total, wanted.checksums, wanted.largest, wanted.room)
    source = _Joined(blobs, ordered)
    try:
        return uploads.stage(blobs, source, wanted=known, **lease)
    finally:
        source.close()


def finish(
    tx: Tx, *, upload: Upload, tree: Tree, path: Path, staged: Staged, actor: Actor,
    expected: Expected = UNCONDITIONAL, quota: Quota = NO_LIMIT, content_type: str | None = None,
    mtime: datetime | None = None,
) -> Published:  # fmt: skip
    """Publish the assembled body and end the upload: its parts are let go, its room given back.

    Raises what `publish` does, and NotFound when the upload has ended meanwhile.
    """
    for space_id in sorted({upload.space_id, tree.space.id}):
        tx.serialise_on("space", space_id)
    _close(tx, _running(tx, upload), "completed")
    published = publishing.publish(
        tx, tree=tree, path=path, staged=staged, actor=actor, expected=expected, quota=quota,
        content_type=content_type, mtime=mtime,
    )  # fmt: skip
    _update(tx, upload.id, target=str(path), blob_id=published.node.blob_id)
    return published


def find_finished(
    tx: Tx, *, space: Space, device_id: int, name: str, tree: Tree, path: Path
) -> Published | None:
    """Return what a finished upload has made, if the target still holds it.

    A client whose answer was lost moves once more, and must not be told that nothing is there.
    """
    upload = _find(tx, space, device_id, clean_name(name), "completed")
    if upload is None or upload.target != str(path):
        return None
    node = nodes.find(tx, tree=tree, path=path).node
    if node is None or node.blob_id != upload.blob_id:
        return None
    return Published(node, is_new=False)


def abort(tx: Tx, *, upload: Upload, state: str = "aborted") -> None:
    """End an upload without a file. Raises NotFound when it has ended already."""
    tx.serialise_on("space", upload.space_id)
    _close(tx, _running(tx, upload), state)


def list_expired(tx: Tx, *, limit: int = 100) -> list[Upload]:
    """Return uploads that nobody has gone on with."""
    query = select(*_COLUMNS).where(
        uploads_table.c.state == "initiated", uploads_table.c.expires_at <= tx.now
    )
    return [Upload(*row) for row in tx.connection.execute(query.limit(limit))]


def is_expired(tx: Tx, *, upload: Upload) -> bool:
    """Tell whether an upload is still running, and nobody has gone on with it for too long."""
    query = select(uploads_table.c.expires_at).where(
        uploads_table.c.id == upload.id, uploads_table.c.state == "initiated"
    )
    expires_at = tx.connection.execute(query).scalar()
    return expires_at is not None and expires_at <= tx.now


def forget_ended(tx: Tx, *, before: datetime, limit: int = 1000) -> int:
    """Remove the rows of uploads that ended, once nobody will ask for them again."""
    old = select(uploads_table.c.id).where(
        uploads_table.c.state != "initiated", uploads_table.c.expires_at <= before
    )
    ids = tx.connection.scalars(old.limit(limit)).all()
    tx.connection.execute(delete(uploads_table).where(uploads_table.c.id.in_(ids)))
    return len(ids)


def _find(tx: Tx, space: Space, device_id: int, name: str, state: str) -> Upload | None:
    query = (
        select(*_COLUMNS)
        .where(
            uploads_table.c.device_id == device_id,
            uploads_table.c.space_id == space.id,
            uploads_table.c.name == name,
            uploads_table.c.state == state,
        )
        .order_by(uploads_table.c.id.desc())
        .limit(1)
    )
    row = tx.connection.execute(query).one_or_none()
    return None if row is None else Upload(*row)


def _running(tx: Tx, upload: Upload) -> Upload:
    query = select(*_COLUMNS).where(
        uploads_table.c.id == upload.id, uploads_table.c.state == "initiated"
    )
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such upload.")
    return Upload(*row)


def _close(tx: Tx, upload: Upload, state: str) -> None:
    _drop_parts(tx, upload.id)
    usage.add(tx, space_id=upload.space_id, reserved=-upload.reserved_bytes)
    _update(tx, upload.id, state=state, reserved_bytes=0)


def _update(tx: Tx, upload_id: int, **values: object) -> None:
    mine = uploads_table.c.id == upload_id
    tx.connection.execute(update(uploads_table).where(mine).values(**values))


def _drop_parts(tx: Tx, upload_id: int, name: str | None = None) -> int:
    some = upload_parts.c.upload_id == upload_id
    if name is not None:
        some &= upload_parts.c.name == name
    held = list(tx.connection.scalars(select(upload_parts.c.blob_id).where(some)))
    tx.connection.execute(delete(upload_parts).where(some))
    uploads.release_blobs(tx, held)
    return len(held)


def _count(tx: Tx, upload_id: int) -> tuple[int, int]:
    query = select(func.count(), func.coalesce(func.sum(upload_parts.c.size), 0))
    count, arrived = tx.connection.execute(query.where(upload_parts.c.upload_id == upload_id)).one()
    return count, int(arrived)


def _parts_of(upload_id: int) -> Select[Any]:
    return (
        select(
            upload_parts.c.name, upload_parts.c.size, upload_parts.c.blob_id,
            blobs_table.c.storage_key, upload_parts.c.created_at,
        )
        .join(blobs_table, blobs_table.c.id == upload_parts.c.blob_id)
        .where(upload_parts.c.upload_id == upload_id)
    )  # fmt: skip


def _refuse_missing() -> Staged:
    raise Incomplete("Fewer or more bytes arrived than were announced.")


class _Joined:
    """The bytes of several parts, one after the other."""

    def __init__(self, blobs: BlobStore, parts: Sequence[Part]) -> None:
        self._blobs = blobs
        self._parts: Iterator[Part] = iter(parts)
        self._reader: BlobReader | None = None

    def read(self, size: int, /) -> bytes:
        while True:
            if self._reader is None:
                part = next(self._parts, None)
                if part is None:
                    return b""
                self._reader = self._blobs.open(part.ref)
            if data := self._reader.read(size):
                return data
            self.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
