"""One connection, moved on a step at a time by whichever worker the selector wakes.

Stock cheroot pins a thread to every half-sent head, and handshakes in the selector (#748, #709).
Here a worker never waits for a head, a handshake, a drain or a goodbye: it takes what is there and
gives the connection back with a deadline. Tests: tests/davserver/http/test_connections.py.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
from enum import Enum, auto
from typing import Any

from cheroot.server import HTTPConnection

from davserver.http.access_log import Served
from davserver.http.bodies import EMPTY_BODY, Body, CountedBody
from davserver.http.chunked import ChunkedBody
from davserver.http.environ import Environ, add_request, believe
from davserver.http.exchange import DRAIN_BYTES, Exchange
from davserver.http.parser import Head, parse_head
from davserver.http.refusals import BodyTooLarge, BrokenBody, Refused
from davserver.http.service import Service
from davserver.http.tls import TlsAdapter, has_spoken_plain
from davserver.http.wire import PeerGone, Wire
from storage.clock import monotonic
from storage.randomness import new_request_id

# Served in one go before others get their turn; a pipelining client could otherwise keep a worker.
_REQUESTS_IN_A_ROW = 16
_PIECE_BYTES = 64 * 1024
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_MAY_BEGIN = frozenset(
    b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\r"
)
_SPOKE_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 29\r\n"
    b"Connection: close\r\nServer: davserver\r\n\r\nThis port speaks HTTPS only.\n"
)


class Stage(Enum):
    """What the connection waits for while no worker holds it."""

    HANDSHAKE = auto()
    HEAD = auto()
    DRAIN = auto()  # the rest of a body that nobody read; then the next head
    LATE = auto()  # the head's deadline has passed; a worker shall say so
    LINGER = auto()  # the last reply is out; what still comes is thrown away for a moment


class Connection(HTTPConnection):
    """A peer, its wire, and where the talk with it stands.

    `deadline` and `events` say until when and for what the selector shall wait.
    """

    # Not super().__init__: it would make two Python-level streams and two caches in a cycle.
    def __init__(
        self,
        service: Service,
        wire: Wire,
        environ: Environ,
        *,
        is_trusted: bool,
        address: str,
        tls: TlsAdapter | None,
    ) -> None:
        self.service = service
        self.socket = wire.sock
        self.wire = wire
        self.address = address
        self.remote_addr = address
        self.requests_seen = 0
        self.events = select.EPOLLIN
        self.deadline = monotonic() + service.settings.header_timeout_seconds
        self.stage = Stage.HEAD if tls is None else Stage.HANDSHAKE
        self._environ = environ
        self._is_trusted = is_trusted
        self._tls = tls
        self._drained = 0
        self._scanned = 0
        self._head_began = False
        self._unread: Body | None = None
        self._aborts = False

    @property
    def is_idle(self) -> bool:
        """Whether it is between two requests, with nothing half-said on either side."""
        if self.stage is Stage.HANDSHAKE:
            return not self.wire.is_tls
        return self.stage is Stage.HEAD and not self.wire.has_data()

    def communicate(self) -> bool:
        """Do what can be done now; False when the connection is to be closed."""
        self.events = select.EPOLLIN
        try:
            return self._move_on()
        except (PeerGone, OSError):
            self._aborts = self.stage is not Stage.LINGER
            return False

    def _move_on(self) -> bool:
        match self.stage:
            case Stage.LINGER:
                return self._discard()
            case Stage.LATE:
                return self._refuse(
                    Refused(408, "header-timeout", "The head of the request took too long.")
                )
            case Stage.HANDSHAKE if not self._shake_hands():
                return True
        for _ in range(_REQUESTS_IN_A_ROW):
            stays = self._answer_next()
            if stays is not None:
                return stays
        self.events = select.EPOLLOUT  # writable at once: this puts us behind those who are ready
        return True

    def _answer_next(self) -> bool | None:
        """Answer one more request; None when yet another may be there already."""
        if self.stage is Stage.DRAIN and not self._drain():
            return True
        block = self._next_block()
        if block is None:
            return True
        if not block or not self._answer(block):
            return False
        if self.is_idle or self._is_leaving():
            return True
        return None

    def _is_leaving(self) -> bool:
        return self.stage is Stage.LINGER

    def _shake_hands(self) -> bool:
        """Take the handshake one step further (cheroot #748: one idle peer froze the server)."""
        wire = self.wire
        if not wire.is_tls:
            assert self._tls is not None
            wire.become(self._tls.wrap(wire.sock)[0])
            self.socket = wire.sock
        sock = wire.sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self.events = select.EPOLLOUT
            return False
        except OSError as error:
            self._note_no_tls()
            if has_spoken_plain(error):
                socket.socket.send(sock, _SPOKE_PLAIN)
            self._linger()
            return False
        self._environ.update(self._tls.get_environ(sock) if self._tls is not None else {})
        self.stage = Stage.HEAD
        return True

    def _note_no_tls(self) -> None:
        address = None if self._is_trusted else self._environ["REMOTE_ADDR"]
        request_id = new_request_id(self.service.random)
        self.service.note_refusal("tls", address=address, request_id=request_id)

    def _next_block(self) -> bytes | None:
        """Return the next whole head; None when more must arrive, b"" when no more will."""
        try:
            wire = self.wire
            if wire.available and (block := self._cut_block()):
                return block
            while (filled := wire.fill()) is not None:
                if not filled:
                    return b""
                if block := self._cut_block():
                    return block
        except Refused as refusal:
            return b"" if not self._refuse(refusal) else None
        if wire.available and not self._head_began:
            self._head_began = True
            self.deadline = monotonic() + self.service.settings.header_timeout_seconds
        return None

    def _cut_block(self) -> bytes | None:
        wire = self.wire
        data = wire.data
        if not self._scanned and data.startswith(b"\r\n", wire.start):
            wire.start += 2  # RFC 9112 §2.2: a blank line before the request line
        start = wire.start
        end = data.find(b"\r\n\r\n", start + self._scanned)
        if end < 0:
            self._check_half_block(data, start)
            self._scanned = max(0, len(data) - start - 3)
            return None
        self._scanned = 0
        self._head_began = False
        if end == start:
            raise Refused(400, "malformed", "The request has no request line.")
        self._check_size(data, start, end)
        return wire.take(end + 4 - start)[:-4]

    def _check_half_block(self, data: bytes, start: int) -> None:
        # What can't become a request any more is refused now, not at its deadline.
        if start < len(data) and data[start] not in _MAY_BEGIN:
            raise Refused(400, "malformed", "This is not HTTP.")
        if _BARE_LINE_FEED.search(data, start + self._scanned) is not None:
            raise Refused(400, "malformed", "A line of the head ends in something else than CR LF.")
        self._check_size(data, start, len(data))

    def _check_size(self, data: bytes, start: int, end: int) -> None:
        settings = self.service.settings
        size = end - start
        if size <= settings.max_request_line_bytes and size <= settings.max_header_bytes:
            return
        line_end = data.find(b"\r\n", start, start + settings.max_request_line_bytes + 2)
        if line_end < 0 and size > settings.max_request_line_bytes:
            raise Refused(414, "request-line", "The request line is too long.")
        if line_end >= 0 and end - line_end - 2 > settings.max_header_bytes:
            raise Refused(431, "headers", "The header fields are too long.")

    def _answer(self, block: bytes) -> bool:
        """Answer one request; say whether the connection stays open."""
        began = monotonic()
        wire, service = self.wire, self.service
        bytes_in = wire.bytes_in - wire.available - len(block) - 4
        bytes_out = wire.bytes_out
        environ = self._environ.copy()
        try:
            head = parse_head(block, environ, service.settings.max_headers)
        except Refused as refusal:
            return self._refuse(refusal)
        try:
            add_request(environ, head)
            body = self._body(head)
        except Refused as refusal:
            self._believe(environ, head)
            return self._refuse(refusal, environ)
        self._believe(environ, head)
        environ["davserver.request_id"] = new_request_id(service.random)
        environ["davserver.is_forwarded"] = head.forwarded is not None
        environ["wsgi.input"] = body
        self.requests_seen += 1
        exchange = Exchange(service, wire, head, body, environ)
        exchange.run()
        self._settle(exchange, began, bytes_in, bytes_out, environ)
        return self._after(exchange)

    def _believe(self, environ: Environ, head: Head) -> None:
        if self._is_trusted and head.forwarded is not None:
            believe(environ, self.service.proxies.read(head.forwarded))

    def _body(self, head: Head) -> Body:
        limits, most = self.service.body_limits, self.service.settings.max_body_bytes
        if head.is_chunked:
            return ChunkedBody(self.wire, limits, limit=most, awaits_continue=head.expects_continue)
        if not head.content_length:
            return EMPTY_BODY
        if most is not None and head.content_length > most:
            raise Refused(413, BodyTooLarge.kind, "The body is larger than this server takes.")
        return CountedBody(
            self.wire,
            limits,
            length=head.content_length,
            # Whoever has begun to send is not waiting (RFC 9110 §10.1.1).
            awaits_continue=head.expects_continue and not self.wire.available,
        )

    def _settle(
        self,
        exchange: Exchange,
        began: float,
        bytes_in: int,
        bytes_out: int,
        environ: dict[str, Any],  # Any: it is a WSGI environ
    ) -> None:
        now = monotonic()
        wire, service = self.wire, self.service
        self.deadline = now + service.settings.idle_timeout_seconds
        status = exchange.status or 500
        method: str = environ["REQUEST_METHOD"]
        received = wire.bytes_in - wire.available - bytes_in
        sent = wire.bytes_out - bytes_out
        service.meter.served(method, status, now - began, received, sent)
        if service.access_log is None or not service.access_log.is_on:
            return
        service.access_log.write(
            Served(
                request_id=environ["davserver.request_id"],
                address=environ["REMOTE_ADDR"],
                device_id=environ.get("davserver.device_id"),
                method=service.known_method(method),
                path=environ["davserver.path"],
                status=status,
                bytes_in=received,
                bytes_out=sent,
                milliseconds=round((now - began) * 1000, 3),
                was_cut=exchange.aborts,
            )
        )

    def _after(self, exchange: Exchange) -> bool:
        if exchange.aborts:
            self._aborts = True
            return False
        body = exchange.body
        if exchange.closes:
            if body.finished and not self.wire.available:
                return False
            return self._linger()
        if not body.finished:
            self._unread = body
            self._drained = 0
            self.stage = Stage.DRAIN
            self.deadline = monotonic() + self.service.settings.drain_timeout_seconds
        return True

    def _drain(self) -> bool:
        """Throw away a small body that nobody read; False while more of it must arrive."""
        body = self._unread
        assert body is not None
        try:
            while not body.finished:
                if self._drained > DRAIN_BYTES:
                    self._linger()
                    return False
                piece = body.pull(_PIECE_BYTES)
                if piece is None:
                    return False
                self._drained += len(piece)
        except BrokenBody:
            self._linger()
            return False
        self._unread = None
        self.stage = Stage.HEAD
        self.deadline = monotonic() + self.service.settings.idle_timeout_seconds
        return True

    def _refuse(self, refusal: Refused, environ: Environ | None = None) -> bool:
        """Say no and close gently; say whether the connection has to be kept for the goodbye.

        `environ` is there when the head could be read, so that the client is known for sure.
        """
        service, request_id = self.service, new_request_id(self.service.random)
        address = None if self._is_trusted else self._environ["REMOTE_ADDR"]
        method = "OTHER"
        if environ is not None:
            address, method = environ["REMOTE_ADDR"], environ.get("REQUEST_METHOD", method)
        service.note_refusal(
            refusal.kind, address=address, request_id=request_id, status=refusal.status
        )
        service.meter.served(method, refusal.status, 0.0, 0, 0)
        over_tls = (environ or self._environ)["wsgi.url_scheme"] == "https"
        reply = service.refusal_reply(refusal, request_id, over_tls=over_tls)
        self.wire.send(reply, service.settings.write_timeout_seconds)
        return self._linger()

    def _linger(self) -> bool:
        """Begin the goodbye: closing now, with bytes unread, would reset our reply away."""
        self.stage = Stage.LINGER
        self.wire.finish_sending()
        self.wire.data, self.wire.start = b"", 0
        self.deadline = monotonic() + self.service.settings.linger_timeout_seconds
        return True

    def _discard(self) -> bool:
        # Bypasses TLS: nobody will look at what these bytes say.
        raw = socket.socket.recv
        try:
            for _ in range(_REQUESTS_IN_A_ROW):
                if not raw(self.wire.sock, _PIECE_BYTES):
                    return False
        except BlockingIOError:
            return True
        return True

    def expire(self) -> bool:
        """Act on the passed deadline; False when the connection is to be closed."""
        if self.stage is Stage.DRAIN:
            return self._linger()
        if self.stage is Stage.HANDSHAKE and self.wire.is_tls:  # who said nothing did no wrong
            self._note_no_tls()
        elif self.stage is Stage.HEAD and self.wire.available:
            # A worker says so, as soon as the peer takes anything: the selector's thread must
            # never wait for one.
            self.stage = Stage.LATE
            self.events = select.EPOLLOUT
            self.deadline = monotonic() + self.service.settings.linger_timeout_seconds
            return True
        return False

    def close(self) -> None:
        """Close the socket; by a reset when a reply was cut short."""
        self.wire.close(abort=self._aborts)
