"""Bytes to and from one peer over a non-blocking socket, plain or TLS.

Mends what stock cheroot's pure-Python streams do: a slow reader gets a truncated download (#821),
a write time-out counts for the whole buffer (#20), decrypted bytes wait unseen. A time-out here
means "nothing moved for so long". Tests: tests/davserver/http/test_output.py, test_deadlines.py.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import ssl
import struct
import termios
from typing import NamedTuple, Protocol

from davserver.http.file_body import FileBody
from storage.clock import monotonic

READ_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
_TLS_PIECE_BYTES = 64 * 1024  # so that progress on a slow line shows within the time-out (#20)
_LOOK_SECONDS = 1.0
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class PeerGone(ConnectionError):
    """The peer closed, reset, or took nothing for the whole write time-out."""


class Patience(Protocol):
    """What a thread tells its pool before and after it waits for a peer."""

    def waiting(self) -> None:
        """Say that this thread is about to wait: another may have to stand in for it."""

    def resumed(self) -> None:
        """Say that it runs again."""

    @property
    def is_exhausted(self) -> bool:
        """Whether all threads are taken and no more may be made, so that idlers must go."""


class Pace(NamedTuple):
    """The least that a peer must take, measured over so much waiting for it."""

    least_bytes_per_second: int = 0
    window_seconds: float = 20.0


_ANY_PACE = Pace()


class Wire:
    """One peer's socket with what was received and not yet taken."""

    __slots__ = (
        "_acknowledged", "_waited", "bytes_in", "bytes_out", "data", "fd", "is_tls", "pace",
        "patience", "sock", "start",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, patience: Patience, pace: Pace = _ANY_PACE) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.patience = patience
        self.pace = pace
        self._waited = 0.0
        self._acknowledged = 0
        self.data = b""
        self.start = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def become(self, sock: ssl.SSLSocket) -> None:
        """Go on over TLS, on the same descriptor."""
        self.sock = sock
        self.is_tls = True

    @property
    def available(self) -> int:
        """How many received bytes have not been taken yet."""
        return len(self.data) - self.start

    def fill(self, most: int = READ_BYTES) -> bool | None:
        """Receive what is there, without waiting. True: got some; False: the end; None: nothing."""
        try:
            piece = self.sock.recv(most)
        except _WOULD_BLOCK:
            return None
        except ssl.SSLError as error:
            raise PeerGone("the peer broke the TLS stream") from error
        if not piece:
            return False
        self.bytes_in += len(piece)
        if self.start < len(self.data):
            self.data = self.data[self.start :] + piece
        else:
            self.data = piece
        self.start = 0
        return True

    def take(self, most: int) -> bytes:
        """Hand out up to `most` of the received bytes."""
        start, end = self.start, self.start + most
        if start == 0 and end >= len(self.data):
            piece, self.data = self.data, b""
            return piece
        piece = self.data[start:end]
        if end >= len(self.data):
            self.data, self.start = b"", 0
        else:
            self.start = end
        return piece

    def has_data(self) -> bool:
        """Tell whether bytes wait on this side of the kernel, where no selector sees them."""
        if self.start < len(self.data):
            return True
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def wait_readable(self, seconds: float) -> bool:
        """Wait until there may be something to receive. False: time is up."""
        return self._wait(select.POLLIN, seconds)

    def send(self, data: bytes | memoryview, stall_seconds: float) -> None:
        """Send all of `data`; raise PeerGone when the peer goes or nothing moves for so long."""
        try:
            sent = self.sock.send(data[:_TLS_PIECE_BYTES] if self.is_tls else data)
        except _WOULD_BLOCK as error:
            sent = 0
            self._await_room(error, stall_seconds)
        except OSError as error:
            raise PeerGone("the peer went away") from error
        self.bytes_out += sent
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], stall_seconds)

    def _send_rest(self, rest: memoryview, stall_seconds: float) -> None:
        while rest:
            try:
                sent = self.sock.send(rest[:_TLS_PIECE_BYTES] if self.is_tls else rest)
            except _WOULD_BLOCK as error:
                self._await_room(error, stall_seconds)
            except OSError as error:
                raise PeerGone("the peer went away") from error
            else:
                self.bytes_out += sent
                rest = rest[sent:]

    def send_file(self, body: FileBody, stall_seconds: float) -> int:
        """Send a part of a file without copying it, where the socket is plain; say how much.

        Less than `body.count` means that the file ended early.
        """
        if self.is_tls:
            return self._send_file_in_pieces(body, stall_seconds)
        offset, left = body.offset, body.count
        while left:
            try:
                sent = os.sendfile(self.fd, body.fileno, offset, left)
            except BlockingIOError as error:
                self._await_room(error, stall_seconds)
                continue
            except OSError as error:
                raise PeerGone("the peer went away") from error
            if not sent:
                break
            self.bytes_out += sent
            offset += sent
            left -= sent
        return body.count - left

    def _send_file_in_pieces(self, body: FileBody, stall_seconds: float) -> int:
        done = 0
        for piece in body:
            self.send(piece, stall_seconds)
            done += len(piece)
        return done

    def _await_room(self, error: OSError, stall_seconds: float) -> None:
        """Wait until the socket takes more, as long as the peer goes on acknowledging.

        The kernel calls a socket writable again only once a good part of its buffer is free, which
        on a slow line lasts longer than any sensible time-out; so the queue's length is watched.
        """
        events = select.POLLIN if isinstance(error, ssl.SSLWantReadError) else select.POLLOUT
        last_queued, now = self._queued(), monotonic()
        moved_at = now
        while True:
            began = now
            has_room = self._wait(events, min(_LOOK_SECONDS, stall_seconds))
            queued, now = self._queued(), monotonic()
            self._check_pace(now - began, queued)
            if has_room:
                return
            if queued != last_queued:
                last_queued, moved_at = queued, now
            elif now - moved_at >= stall_seconds:
                raise PeerGone("the peer stopped reading") from None
            elif self.patience.is_exhausted and now - moved_at >= _LOOK_SECONDS:
                raise PeerGone("the peer stopped reading while others were waiting") from None

    def _check_pace(self, waited: float, queued: int) -> None:
        """End the talk with a peer that takes a byte now and then, to keep a thread for ever.

        Only time spent waiting for it counts.
        """
        self._waited += waited
        if self._waited < self.pace.window_seconds:
            return
        acknowledged = self.bytes_out - queued
        taken = acknowledged - self._acknowledged
        if taken < self.pace.least_bytes_per_second * self._waited:
            raise PeerGone("the peer reads too slowly")
        self._acknowledged, self._waited = acknowledged, 0.0

    def _queued(self) -> int:
        # Bytes sent that the peer has not acknowledged (SIOCOUTQ; for TCP and Unix sockets alike).
        answer = fcntl.ioctl(self.fd, termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def _wait(self, events: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.fd, events)
        self.patience.waiting()
        try:
            return bool(poll.poll(max(0.0, seconds) * 1000))
        finally:
            self.patience.resumed()

    def finish_sending(self) -> None:
        """Tell the peer that nothing more comes, and still take what it sends."""
        if isinstance(self.sock, ssl.SSLSocket):
            _say_goodbye(self.sock)
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it is gone already

    def close(self, *, abort: bool = False) -> None:
        """Close; with `abort`, by a reset, which no peer can take for the end of a reply."""
        try:
            if abort:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif isinstance(self.sock, ssl.SSLSocket):
                _say_goodbye(self.sock)
        except OSError:
            pass  # a socket that the peer has reset takes no options
        self.sock.close()


def _say_goodbye(sock: ssl.SSLSocket) -> None:
    # One close_notify, so that the peer can tell the end from a cut (RFC 8446 §6.1). unwrap()
    # would wait for the peer's; the first, non-blocking step has sent ours.
    try:
        sock.unwrap()
    except (OSError, ValueError):
        return
