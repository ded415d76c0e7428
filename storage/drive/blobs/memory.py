"""Blobs in this process's memory: for tests, and for trying things out.

It keeps every promise of the protocol but durability. Opened by `opening`, or made by a test.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from storage.clock import Clock
from storage.drive.blobs import CHUNK_BYTES, BlobEntry, BlobReader, BlobRef, ByteSource
from storage.drive.blobs.checking import check_key, check_range, check_stored_size
from storage.drive.blobs.probing import probe
from storage.errors import NotFound
from storage.randomness import RandomBytes, new_blob_key


@dataclass(frozen=True, slots=True)
class _Stored:
    content: bytes
    modified_at: datetime


class MemoryBlobs:
    """A BlobStore that forgets everything when the process ends. Safe to share by threads."""

    def __init__(self, *, clock: Clock, random: RandomBytes) -> None:
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._stored: dict[str, _Stored] = {}

    def put(self, source: ByteSource, *, expected_size: int | None = None) -> BlobRef:  # noqa: ARG002 - the protocol's hint is for homes that lay out parts
        """Store what `source` gives."""
        gathered = bytearray()
        while chunk := source.read(CHUNK_BYTES):
            gathered += chunk
        key = new_blob_key(self._random)
        stored = _Stored(bytes(gathered), self._clock())
        with self._lock:
            self._stored[key] = stored
        return BlobRef(key, len(stored.content))

    def open(self, ref: BlobRef, *, start: int = 0, length: int | None = None) -> BlobReader:
        """Open a range. Raises NotFound, Invalid, Unavailable."""
        check_range(start, length)
        check_key(ref.key)
        with self._lock:
            stored = self._stored.get(ref.key)
        if stored is None:
            raise NotFound("There is no such blob.")
        check_stored_size(ref, len(stored.content))
        end = None if length is None else start + length
        return BytesIO(stored.content[start:end])

    def delete(self, key: str) -> None:
        """Remove a blob, if it is there."""
        with self._lock:
            self._stored.pop(key, None)

    def list(self) -> Iterator[BlobEntry]:
        """Give every blob that is there at the time of the call."""
        with self._lock:
            stored = tuple(self._stored.items())
        return (BlobEntry(key, len(blob.content), blob.modified_at) for key, blob in stored)

    def presign(self, ref: BlobRef, *, expires_seconds: int) -> str | None:  # noqa: ARG002 - memory has no address
        """Return None: nobody can reach into this process."""
        check_key(ref.key)
        return None

    def sweep_unfinished(self, *, started_before: datetime) -> int:  # noqa: ARG002 - nothing is kept before it is whole
        """Return 0: an upload that failed has left nothing."""
        return 0

    def check(self) -> None:
        """Put, read and delete a probe."""
        probe(self)

    def close(self) -> None:
        """Forget all blobs."""
        with self._lock:
            self._stored.clear()
