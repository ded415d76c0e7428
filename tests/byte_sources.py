"""Sources of bytes that behave badly, or are longer than memory should hold."""

from __future__ import annotations

import hashlib
from io import BytesIO

MIB = 1024 * 1024

_BLOCK = bytes(range(256)) * 4096 + b"an odd end, so that no block is aligned"


class GeneratedSource:
    """So many bytes, made as they are asked for, and hashed as they are given."""

    def __init__(self, size: int) -> None:
        self._remaining = size
        self._position = 0
        self.digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        start = self._position % len(_BLOCK)
        data = _BLOCK[start : start + min(size, self._remaining)]
        self._position += len(data)
        self._remaining -= len(data)
        self.digest.update(data)
        return data


class ShortReads:
    """Gives one byte, then two, then three, … and from `longest` begins again."""

    def __init__(self, content: bytes, *, longest: int) -> None:
        self._rest = BytesIO(content)
        self._longest = longest
        self._next = 1

    def read(self, size: int, /) -> bytes:
        data = self._rest.read(min(size, self._next))
        self._next = self._next % self._longest + 1
        return data


class BreakingSource:
    """Gives `size` bytes and then raises `error`."""

    def __init__(self, size: int, error: BaseException) -> None:
        self._source = GeneratedSource(size)
        self._error = error

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        if not data:
            raise self._error
        return data
