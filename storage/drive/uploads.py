"""Bytes on their way into the store: counted and hashed as they pass, then published or discarded.

`stage` runs with no transaction open and makes a new blob; `publishing` points a node at it. In
between nothing refers to the blob and no row knows it, so whoever inserts the row with its key
first decides its fate: a publisher makes it a file's content, the sweeper or `discard` claims it
for deletion. That holds between processes and after a crash; no time-out decides it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.clock import monotonic
from storage.db import Database, Tx
from storage.drive.blobs import BlobRef, BlobStore, ByteSource
from storage.drive.tables import blobs, uploads
from storage.errors import Incomplete, OverQuota, TooLarge, Unavailable

STORED = "stored"
RELEASED = "released"
ORPHAN = "orphan"
GONE = "gone"

_READ_BYTES = 256 * 1024
_ETAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be true of a body when it has ended, and how long it may get.

    `checksums` maps `sha256`, `sha1` or `md5` to the digest that the client announced. `room`
    is what the quota leaves, `largest` the limit for a single file.
    """

    size: int | None = None
    checksums: Mapping[str, bytes] = field(default_factory=dict)
    largest: int | None = None
    room: int | None = None


ANYTHING = Wanted()
"""Nothing was announced."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A complete, durable body that no node has yet. `ref` is None when it has no bytes."""

    ref: BlobRef | None
    size: int
    sha256: bytes
    sha1: bytes | None
    md5: bytes | None

    @property
    def etag(self) -> str:
        """The etag of every file with this content: it changes exactly when the bytes do."""
        return etag_of(self.sha256)


def etag_of(sha256: bytes) -> str:
    """Return the strong etag, without quotes, of bytes with this hash."""
    return sha256[:_ETAG_BYTES].hex()


_NOTHING = b""
EMPTY = Staged(
    None,
    0,
    hashlib.sha256(_NOTHING).digest(),
    hashlib.sha1(_NOTHING, usedforsecurity=False).digest(),
    hashlib.md5(_NOTHING, usedforsecurity=False).digest(),
)
"""A body without bytes: no blob is kept for it."""


def stage(
    blobs: BlobStore,
    source: ByteSource,
    *,
    wanted: Wanted = ANYTHING,
    while_reading: Callable[[], None] | None = None,
    pulse_seconds: float = 60.0,
    keeps_checksums: bool = True,
) -> Staged:
    """Read `source` to its end into a new blob.

    SHA-1 and MD5 are worked out for later, unless told otherwise, and when they are announced.
    `while_reading` is called about every `pulse_seconds`, to renew leases. Raises Incomplete when
    the length or a checksum is not the one wanted, TooLarge or OverQuota as soon as the body gets
    too long, Unavailable when the store is away, and whatever `source` raises. Then nothing of it
    is kept.
    """
    _refuse_announced(wanted)
    hashes = {"sha256", *wanted.checksums, *(("sha1", "md5") if keeps_checksums else ())}
    body = _Body(source, wanted, hashes, while_reading, pulse_seconds)
    first = body.read(_READ_BYTES)  # an empty body is found out, and refused, before the store
    if not first:
        return EMPTY
    ref = blobs.put(_Ahead(first, body), expected_size=wanted.size)
    return body.staged(ref)


def discard(database: Database, blobs: BlobStore, staged: Staged | None) -> bool:
    """Delete a staged body that was not published; return whether it was deleted.

    Safe also when nobody knows whether the publishing took effect: what was published stays.
    """
    if staged is None or staged.ref is None:
        return False
    ref = staged.ref
    if not database.write(lambda tx: claim_stray(tx, key=ref.key, size=ref.size)):
        return False
    blobs.delete(ref.key)
    database.write(lambda tx: forget_orphans(tx, keys=[ref.key]))
    return True


def insert_blob(tx: Tx, *, staged: Staged, state: str = STORED) -> int | None:
    """Insert the row of a staged blob and return its id; None when there are no bytes.

    Raises Unavailable when it waited so long that the sweeper has claimed it.
    """
    if staged.ref is None:
        return None
    values = {
        "storage_key": staged.ref.key, "size": staged.size, "sha256": staged.sha256,
        "sha1": staged.sha1, "md5": staged.md5, "state": state, "created_at": tx.now,
    }  # fmt: skip
    try:
        made = insert(blobs).values(values).returning(blobs.c.id)
        blob_id: int = tx.connection.execute(made).scalar_one()
    except IntegrityError:
        raise Unavailable("The upload took too long; send it again.") from None
    return blob_id


def claim_stray(tx: Tx, *, key: str, size: int) -> bool:
    """Claim a blob that no row knows, so that nobody can publish it; False when a row does."""
    values = {
        "storage_key": key, "size": size, "state": ORPHAN, "created_at": tx.now,
    }  # fmt: skip
    try:
        with tx.connection.begin_nested():
            tx.connection.execute(insert(blobs).values(values))
    except IntegrityError:
        return False
    return True


def forget_orphans(tx: Tx, *, keys: Sequence[str]) -> None:
    """Note that the bytes of claimed blobs are gone.

    A row that was only made to claim a stray stays for a while: were its key free again, whoever
    staged it could still publish what is no more.
    """
    orphans = blobs.c.storage_key.in_(keys) & (blobs.c.state == ORPHAN)
    # A finished upload only remembers what it made, and keeps no bytes from going.
    finished = uploads.c.blob_id.in_(select(blobs.c.id).where(orphans))
    tx.connection.execute(update(uploads).where(finished).values(blob_id=None))
    tx.connection.execute(update(blobs).where(orphans, blobs.c.sha256.is_(None)).values(state=GONE))
    tx.connection.execute(delete(blobs).where(orphans))


def forget_gone(tx: Tx, *, before: datetime, limit: int = 1000) -> int:
    """Remove the rows of strays that were claimed before that moment."""
    old = select(blobs.c.id).where(blobs.c.state == GONE, blobs.c.created_at < before)
    ids = tx.connection.scalars(old.limit(limit)).all()
    tx.connection.execute(delete(blobs).where(blobs.c.id.in_(ids)))
    return len(ids)


def release_blobs(tx: Tx, blob_ids: Sequence[int]) -> None:
    """Note that a reference to these was dropped: the sweeper looks whether any is left."""
    if blob_ids:
        some = blobs.c.id.in_(blob_ids) & (blobs.c.state != ORPHAN)
        tx.connection.execute(update(blobs).where(some).values(state=RELEASED))


def _refuse_announced(wanted: Wanted) -> None:
    size = wanted.size or 0
    if wanted.largest is not None and size > wanted.largest:
        raise TooLarge("This is larger than a single file may be.")
    if wanted.room is not None and size > wanted.room:
        raise OverQuota("There is not enough room left for this.")


class _Body:
    """Reads a body, counts and hashes it, and refuses it at its end when it is not as wanted.

    Raising from `read` is what makes the blob store leave nothing behind.
    """

    def __init__(
        self,
        source: ByteSource,
        wanted: Wanted,
        hashes: Iterable[str],
        while_reading: Callable[[], None] | None,
        pulse_seconds: float,
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._while_reading = while_reading
        self._pulse_seconds = pulse_seconds
        self._next_pulse = monotonic() + pulse_seconds
        self._size = 0
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in hashes}

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        if not data:
            self._check_end()
            return data
        self._size += len(data)
        self._check_size()
        for digest in self._digests.values():
            digest.update(data)
        if self._while_reading is not None and monotonic() >= self._next_pulse:
            self._while_reading()
            self._next_pulse = monotonic() + self._pulse_seconds
        return data

    def staged(self, ref: BlobRef) -> Staged:
        found = {name: digest.digest() for name, digest in self._digests.items()}
        return Staged(ref, self._size, found["sha256"], found.get("sha1"), found.get("md5"))

    def _check_size(self) -> None:
        wanted = self._wanted
        if wanted.largest is not None and self._size > wanted.largest:
            raise TooLarge("This is larger than a single file may be.")
        if wanted.size is not None and self._size > wanted.size:
            raise Incomplete("More bytes arrived than were announced.")
        if wanted.room is not None and self._size > wanted.room:
            raise OverQuota("There is not enough room left for this.")

    def _check_end(self) -> None:
        if self._wanted.size is not None and self._size != self._wanted.size:
            raise Incomplete("Fewer bytes arrived than were announced.")
        for name, digest in self._wanted.checksums.items():
            if self._digests[name].digest() != digest:
                raise Incomplete("What arrived does not have the checksum that was announced.")


class _Ahead:
    """A source whose first bytes were read already."""

    def __init__(self, first: bytes, rest: ByteSource) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if self._first:
            data, self._first = self._first[:size], self._first[size:]
            return data
        return self._rest.read(size)
