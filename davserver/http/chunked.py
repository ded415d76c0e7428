"""The chunked transfer coding, read strictly and in bounded pieces (RFC 9112 §7.1).

Stock cheroot buffers a whole chunk, takes `+5`, `0x5`, `1_0` and negative sizes and endless size
lines, and leaves trailers in the stream, where a request hidden in them is executed (#69).
Test: tests/davserver/http/test_chunked.py.
"""

from __future__ import annotations

import re

from davserver.http.bodies import Body, BodyLimits
from davserver.http.refusals import BodyMalformed, BodyTooLarge
from davserver.http.wire import Wire

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~]*)?").fullmatch
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*").fullmatch
_LONGEST_SIZE_LINE = 256
_MOST_TRAILER_BYTES = 8 * 1024
# Framing may outgrow the payload by this much; tiny chunks with long extensions cost CPU only.
_MOST_OVERHEAD_BYTES = 64 * 1024
_FREE_OVERHEAD_PER_CHUNK = 16


class ChunkedBody(Body):
    """A body in chunks. Extensions and trailers are read under a cap and dropped."""

    __slots__ = ("_chunk_left", "_in_trailers", "_needs_break", "_overhead", "_trailers", "limit")

    def __init__(
        self, wire: Wire, limits: BodyLimits, *, limit: int | None, awaits_continue: bool
    ) -> None:
        super().__init__(wire, limits, awaits_continue=awaits_continue)
        self.limit = limit
        self._chunk_left = 0
        self._needs_break = False
        self._in_trailers = False
        self._overhead = 0
        self._trailers = 0

    @property
    def known_left(self) -> None:
        """Nobody knows before the last chunk."""
        return

    def pull(self, most: int) -> bytes | None:
        """Return up to `most` bytes without waiting, b"" at the end, None when more must arrive."""
        if self.finished:
            return b""
        if not self._chunk_left and not self._open_chunk():
            return self._nothing()
        wanted = min(most, self._chunk_left)
        if not self._wire.available and not self._fill(wanted):
            return None
        piece = self._wire.take(wanted)
        self._chunk_left -= len(piece)
        self.received += len(piece)
        return piece

    def _nothing(self) -> bytes | None:
        return b"" if self.finished else None

    def _open_chunk(self) -> bool:
        """Read up to the next chunk's first byte. False: at the end, or more must arrive."""
        if self._in_trailers:
            self._read_trailers()
            return False
        if self._needs_break:
            blank = self._line(0)
            if blank is None:
                return False
            self._needs_break = False
        line = self._line(_LONGEST_SIZE_LINE)
        if line is None:
            return False
        match = _SIZE_LINE(line)
        if match is None:
            self._fail(BodyMalformed("A chunk's size is not a plain hexadecimal number."))
        size = int(match[1], 16)
        self._count(len(line), size)
        if not size:
            self._in_trailers = True
            self._read_trailers()
            return False
        self._chunk_left = size
        self._needs_break = True
        return True

    def _count(self, line_bytes: int, size: int) -> None:
        if self.limit is not None and self.received + size > self.limit:
            self._fail(BodyTooLarge("The body is larger than this server takes."))
        self._overhead = max(0, self._overhead + line_bytes - _FREE_OVERHEAD_PER_CHUNK - size)
        if self._overhead > _MOST_OVERHEAD_BYTES:
            self._fail(BodyMalformed("The chunks carry more framing than content."))

    def _read_trailers(self) -> None:
        while (line := self._line(_MOST_TRAILER_BYTES - self._trailers)) is not None:
            if not line:
                self.finished = True
                return
            self._trailers += len(line) + 2
            if _TRAILER(line) is None or self._trailers > _MOST_TRAILER_BYTES:
                self._fail(BodyMalformed("The trailers are malformed or too long."))

    def _line(self, longest: int) -> bytes | None:
        """Take one line without its CR LF; None when the rest of it must still arrive."""
        wire = self._wire
        while True:
            end = wire.data.find(b"\n", wire.start, wire.start + longest + 2)
            if end >= 0:
                line = wire.take(end + 1 - wire.start)
                if not line.endswith(b"\r\n"):
                    self._fail(BodyMalformed("A line of the chunked body ends without CR LF."))
                return line[:-2]
            if wire.available >= longest + 2:
                self._fail(BodyMalformed("A line of the chunked body is too long."))
            if not self._fill(4096):
                return None
