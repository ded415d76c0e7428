"""A part of an open file as a WSGI iterable, which the floor sends by `os.sendfile`.

An application returns it, or yields it from a generator that wraps others' replies; any other
server may simply iterate over it. Tests: tests/davserver/http/test_sendfile.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

_PIECE_BYTES = 256 * 1024


class FileBody:
    """`count` bytes from `offset` of the file behind `fileno`; `on_close` runs once, at the end."""

    __slots__ = ("_on_close", "count", "fileno", "offset")

    def __init__(
        self, fileno: int, offset: int, count: int, on_close: Callable[[], object] | None = None
    ) -> None:
        self.fileno = fileno
        self.offset = offset
        self.count = count
        self._on_close = on_close

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        offset, left = self.offset, self.count
        while left > 0:
            piece = os.pread(self.fileno, min(_PIECE_BYTES, left), offset)
            if not piece:
                return
            yield piece
            offset += len(piece)
            left -= len(piece)

    def close(self) -> None:
        """Run `on_close`, if it has not run yet (PEP 3333 promises one call; wrappers add more)."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
