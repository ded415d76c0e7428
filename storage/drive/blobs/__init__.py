"""Where bytes live: one small protocol, three homes (disk, S3, memory).

A blob is immutable bytes under a random key. It is complete or absent: `put` returns only when
the bytes are durable, and leaves nothing behind when it fails. Nothing here knows names, folders
or accounts, and no transaction is open while bytes travel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

CHUNK_BYTES = 256 * 1024
"""How much a home moves at a time."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """What the database keeps of a blob: its key, and how many bytes are under it."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """What a listing tells of a stored blob: enough to find the ones that nobody refers to."""

    key: str
    size: int
    modified_at: datetime


class ByteSource(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; b"" at the end only."""
        ...


class BlobReader(Protocol):
    """An open blob, or a range of one. Must be closed, in whatever state."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; b"" at the end only. Raises Unavailable."""
        ...

    def close(self) -> None:
        """Give back what the reader holds; a second time does nothing."""
        ...


class BlobStore(Protocol):
    """A home for bytes."""

    def put(self, source: ByteSource, *, expected_size: int | None = None) -> BlobRef:
        """Store everything that `source` gives under a new random key, durably.

        `expected_size` is a hint for laying out parts; it is the caller who compares lengths.
        Whatever `source.read` raises passes through unchanged, and nothing stays behind.
        Raises Unavailable when the store is away, OverQuota when it is full.
        """
        ...

    def open(self, ref: BlobRef, *, start: int = 0, length: int | None = None) -> BlobReader:
        """Open `length` bytes from `start`, or all from there on.

        A range past the end gives what there is. Raises NotFound when no such blob is stored,
        Invalid for a negative range, Unavailable when the store is away or when other than
        `ref.size` bytes are stored.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a blob; one that is already gone, or never was, is fine. Raises Unavailable."""
        ...

    def list(self) -> Iterator[BlobEntry]:
        """Give every complete blob, in no particular order. Raises Unavailable."""
        ...

    def presign(self, ref: BlobRef, *, expires_seconds: int) -> str | None:
        """Return a URL that gives the bytes to whoever holds it for a while.

        None where the home can't do that. Raises NotFound for what is no key.
        """
        ...

    def sweep_unfinished(self, *, started_before: datetime) -> int:
        """Remove what uploads that never ended have left behind, and tell how many there were.

        Only what was last worked on before that moment goes: younger ones may still be running.
        Raises Unavailable.
        """
        ...

    def check(self) -> None:
        """Put, read and delete a probe.

        Raises Misconfigured when the set-up can't work, and whatever else a put or an open may.
        """
        ...

    def close(self) -> None:
        """Give back threads and connections. The store is of no use afterwards."""
        ...
