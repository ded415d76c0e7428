"""A request's body: counted to its announced end, paced, and never mistaken for whole when torn.

Stock cheroot reads a whole unread body into memory before it answers (#106), answers `Expect`
before anybody signed in and in lower case only, and waits as long as the peer likes. Here
`100 Continue` goes out at the first read, and every early end raises `storage.errors.Incomplete`.
Tests: tests/davserver/http/test_bodies.py, test_continue.py, test_deadlines.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from davserver.http.refusals import BodyCutShort, BodyTooSlow, BrokenBody
from davserver.http.wire import PIECE_BYTES, Wire
from storage.clock import monotonic

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How long and how much a body may be."""

    idle_seconds: float
    least_bytes_per_second: int
    rate_window_seconds: float
    write_seconds: float


class Body:
    """What both framings share; `pull` is theirs. This is `wsgi.input` for the application."""

    __slots__ = (
        "_limits",
        "_window_bytes",
        "_window_waited",
        "_wire",
        "awaits_continue",
        "broken",
        "finished",
        "received",
    )  # fmt: skip

    def __init__(self, wire: Wire, limits: BodyLimits, *, awaits_continue: bool) -> None:
        self._wire = wire
        self._limits = limits
        self.awaits_continue = awaits_continue
        self.finished = False
        self.broken: BrokenBody | None = None
        self.received = 0
        self._window_bytes = wire.bytes_in
        self._window_waited = 0.0

    def pull(self, most: int) -> bytes | None:
        """Return up to `most` bytes without waiting, b"" at the end, None when more must arrive."""
        raise NotImplementedError

    @property
    def known_left(self) -> int | None:
        """How many bytes are still to come, where the framing says so."""
        raise NotImplementedError

    def read(self, size: int | None = -1) -> bytes:
        """Return exactly `size` bytes, fewer only at the end; all of it without `size`.

        Raises Incomplete when the body is cut short, malformed, too large or too slow.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self._some(PIECE_BYTES), b""))
        if size == 0:
            return b""
        first = self._some(size)
        if len(first) == size or not first:
            return first
        pieces, have = [first], len(first)
        while have < size:
            piece = self._some(size - have)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def readinto(self, target: bytearray | memoryview) -> int:
        """Fill `target` from the body; say how much."""
        view = memoryview(target).cast("B")
        piece = self._some(len(view)) if len(view) else b""
        view[: len(piece)] = piece
        return len(piece)

    def readline(self, size: int | None = -1) -> bytes:
        """Return up to and with the next line feed. Slow and rarely used: PEP 3333 asks for it."""
        line = bytearray()
        while size is None or size < 0 or len(line) < size:
            byte = self._some(1)
            line += byte
            if byte in (b"", b"\n"):
                break
        return bytes(line)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Return all lines, or as many as `hint` bytes take."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _some(self, most: int) -> bytes:
        if self.finished:
            return b""
        if self.broken is not None:
            raise self.broken
        if self.awaits_continue:
            self.awaits_continue = False
            self._wire.send(CONTINUE, self._limits.write_seconds)
        piece = self.pull(most)
        while piece is None:
            self._await_more()
            piece = self.pull(most)
        return piece

    def _await_more(self) -> None:
        """Wait for the peer, as long as it keeps to the idle time and the minimum rate.

        Only time spent waiting here counts, so that our own slow disk is never held against it.
        """
        limits, began = self._limits, monotonic()
        while True:
            waited = monotonic() - began
            left = limits.idle_seconds - waited
            if left <= 0:
                self._fail(BodyTooSlow("The body stopped arriving."))
            if self._wire.wait_readable(min(left, _LOOK_SECONDS)):
                break
            # When all threads wait for peers like this one, the silent ones make room.
            if self._wire.patience.is_exhausted and waited >= _LOOK_SECONDS:
                self._fail(BodyTooSlow("The body stopped arriving while others were waiting."))
        self._check_rate(monotonic() - began)

    def _check_rate(self, waited: float) -> None:
        limits = self._limits
        self._window_waited += waited
        if self._window_waited < limits.rate_window_seconds:
            return
        arrived = self._wire.bytes_in - self._window_bytes
        if arrived < limits.least_bytes_per_second * self._window_waited:
            self._fail(BodyTooSlow("The body arrives too slowly."))
        self._window_bytes = self._wire.bytes_in
        self._window_waited = 0.0

    def _fill(self, wanted: int) -> bool:
        """Receive more, without waiting. Raises BodyCutShort at the end of the stream."""
        try:
            filled = self._wire.fill(min(max(wanted, 4096), PIECE_BYTES))
        except OSError:
            filled = False
        if filled is False:
            self._fail(BodyCutShort("The connection ended before the body did."))
        return filled is True

    def _fail(self, error: BrokenBody) -> NoReturn:
        self.broken = error
        raise error


class EmptyBody(Body):
    """No body at all. One object serves every request, since nothing in it ever changes."""

    __slots__ = ()

    def __init__(self) -> None:
        self.awaits_continue = False
        self.finished = True
        self.broken = None
        self.received = 0

    @property
    def known_left(self) -> int:
        """Nothing is to come."""
        return 0


EMPTY_BODY = EmptyBody()


class CountedBody(Body):
    """A body of an announced length (RFC 9112 §6.2)."""

    __slots__ = ("_left",)

    def __init__(
        self, wire: Wire, limits: BodyLimits, *, length: int, awaits_continue: bool
    ) -> None:
        super().__init__(wire, limits, awaits_continue=awaits_continue)
        self._left = length

    @property
    def known_left(self) -> int:
        """How many bytes are still to come."""
        return self._left

    def pull(self, most: int) -> bytes | None:
        """Return up to `most` bytes without waiting, b"" at the end, None when more must arrive."""
        if not self._left:
            self.finished = True
            return b""
        wanted = min(most, self._left)
        if not self._wire.available and not self._fill(wanted):
            return None
        piece = self._wire.take(wanted)
        self._left -= len(piece)
        self.received += len(piece)
        self.finished = not self._left
        return piece
