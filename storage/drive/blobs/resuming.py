"""Reads on where a broken download stopped, a bounded number of times.

Takes and gives blob readers, and knows no vendor. Called by homes that are a network away.
"""

from __future__ import annotations

from collections.abc import Callable

from storage.drive.blobs import BlobReader
from storage.drive.blobs.patience import Patience
from storage.errors import Unavailable

_EARNS_NEW_ATTEMPTS_BYTES = 8 * 1024 * 1024


class ResumingReader:
    """A BlobReader over readers that may break.

    `open_at` opens the rest of the range after so many of its bytes. `attempts` counts readers
    that broke one after another; 8 MiB without a break earn the full number again, so that the
    time lost is bounded by what was read, and a long download outlives many short breaks. One
    read, with all that is opened anew for it, takes no longer than `patience` allows.
    """

    def __init__(
        self, open_at: Callable[[int], BlobReader], *, attempts: int, patience: Patience
    ) -> None:
        self._open_at = open_at
        self._attempts = attempts
        self._patience = patience
        self._given = 0
        self._breaks = 0
        self._broke_at = 0
        self._reader = open_at(0)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes. Raises Unavailable when going on has not helped."""
        self._patience.renew()  # the time between two reads was the caller's
        while True:
            try:
                data = self._reader.read(size)
            except Unavailable:
                if not self._may_go_on():
                    raise
                self._reader.close()
                self._reader = self._open_at(self._given)
                continue
            self._given += len(data)
            return data

    def close(self) -> None:
        """Close the reader that is open now."""
        self._reader.close()

    def _may_go_on(self) -> bool:
        if self._given - self._broke_at >= _EARNS_NEW_ATTEMPTS_BYTES:
            self._breaks = 0
        self._broke_at = self._given
        self._breaks += 1
        return self._breaks < self._attempts and not self._patience.is_at_its_end
