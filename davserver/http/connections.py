"""All connections of one server: accepting, waiting, deadlines, caps, the end.

Stock cheroot gives a new connection to a worker before a byte has come, so that ten silent peers
starve five threads; keeps at most ten alive; and scans with the wall clock. Here a worker takes a
connection from the selector in one call, which also disarms it, and arms it again when done.
Tests: tests/davserver/http/test_connections.py, test_deadlines.py.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import socket
import threading
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from cheroot.connections import ConnectionManager

from davserver.http.connection import Connection
from davserver.http.environ import connection_environ
from davserver.http.proxies import UNIX_PEER, plain_address
from davserver.http.refusals import Refused
from davserver.http.service import Service
from davserver.http.tls import TlsAdapter
from davserver.http.wire import Wire
from storage.clock import monotonic
from storage.randomness import new_request_id

if TYPE_CHECKING:
    from davserver.http.server import HttpServer

_LOG = logging.getLogger("davserver.http")
TICK_SECONDS = 0.1
_LOOK_SECONDS_WHEN_FULL = 0.02
_ACCEPTS_IN_A_ROW = 64
_REST_SECONDS = 0.5  # when the system has no descriptor left for one more connection
_SENTENCES = {
    "address-cap": "There are too many connections from your address.",
    "full": "There are too many connections.",
}
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Connections(ConnectionManager):
    """Holds every connection. `take`, `put` and `drop` are for workers, the rest for one thread.

    A waiting connection is claimed by popping it from a dictionary, which only one thread can do;
    so a worker and the deadline check never act on the same one.
    """

    # Not super().__init__: it would make a selector with a lock around each change.
    def __init__(self, server: HttpServer, listener: socket.socket) -> None:
        self.server = server
        self.is_closed = False
        self._service: Service = server.service
        self._listener = listener
        self._tls: TlsAdapter | None = server.ssl_adapter
        self._epoll = select.epoll()
        self._waiting: dict[int, Connection] = {}
        self._per_address: dict[str, int] = {}
        self._open: set[Connection] = set()
        self._changed = threading.Condition()
        self._stop_requested = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def take(self, seconds: float) -> Connection | None:
        """Return a connection that has something to do, which is then the caller's; or None."""
        for descriptor, _ in self._epoll.poll(seconds, 1):
            # None: the deadline check was faster, or the descriptor is the closing bell.
            return self._waiting.pop(descriptor, None)
        return None

    def put(self, connection: Connection) -> None:
        """Let a connection wait for its next event."""
        if self._service.is_draining and connection.is_idle and not _has_more(connection):
            self.drop(connection)
            return
        descriptor = connection.wire.fd
        self._waiting[descriptor] = connection
        try:
            self._epoll.modify(descriptor, connection.events | select.EPOLLONESHOT)
        except (OSError, ValueError):
            return  # claimed and closed since the line before, by its deadline or the end

    def drop(self, connection: Connection) -> None:
        """Close a connection and forget it."""
        with self._changed:
            if connection not in self._open:
                return
            self._open.discard(connection)
            self._count(connection.address, -1)
            self._changed.notify_all()
        connection.close()

    def run(self, expiration_interval: float = TICK_SECONDS) -> None:
        """Accept, keep the deadlines and the number of workers, until told to stop."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(self._listener, select.POLLIN)
        next_look = next_tick = accept_again_at = monotonic()
        while not self._stop_requested:
            for descriptor, _ in poll.poll(max(0.0, next_look - monotonic()) * 1000):
                if descriptor == self._listener.fileno() and not self._accept():
                    poll.modify(self._listener, 0)  # it stays readable: looking at it would spin
                    accept_again_at = monotonic() + _REST_SECONDS
            now = monotonic()
            if now >= next_look:
                is_full = self.server.requests.adjust()
                next_look = now + (_LOOK_SECONDS_WHEN_FULL if is_full else expiration_interval)
            if now >= next_tick:
                self._tick(now)
                next_tick = now + expiration_interval
                poll.modify(self._listener, select.POLLIN if now >= accept_again_at else 0)

    def request_stop(self) -> None:
        """Make `run` return soon. May be called from a signal handler."""
        self._stop_requested = True
        os.eventfd_write(self._bell, 1)

    def drain(self, grace_seconds: float) -> None:
        """Finish what is under way, within the grace period; close all the rest."""
        self._accept()  # who is in the backlog would otherwise be reset
        self._listener.close()
        for descriptor in list(self._waiting):
            connection = self._waiting.pop(descriptor, None)
            if connection is not None:
                self.put(connection)
        ends_at = monotonic() + grace_seconds
        while self._open and monotonic() < ends_at:
            with self._changed:
                self._changed.wait(TICK_SECONDS)
            self.server.requests.adjust()
            self._tick(monotonic())

    def close(self) -> None:
        """Send the workers home and cut whatever is still open."""
        self.is_closed = True
        # Level-triggered and never read again: every worker hears it.
        os.eventfd_write(self._bell, 1)
        self._epoll.register(self._bell, select.EPOLLIN)
        for connection in list(self._open):
            if self._waiting.pop(connection.wire.fd, None) is not None:
                self.drop(connection)
            else:  # a worker holds it; its next call on the socket fails
                _cut(connection.wire.sock)

    def free(self) -> None:
        """Give back the selector, once no worker uses it."""
        self._epoll.close()
        os.close(self._bell)

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether replies may leave their connection open."""
        return not self._service.is_draining

    @property
    def _num_connections(self) -> int:
        return len(self._open)

    def _tick(self, now: float) -> None:
        for descriptor, waiting in list(self._waiting.items()):
            if waiting.deadline <= now and self._waiting.pop(descriptor, None) is waiting:
                self._expire_one(waiting, now)
        pool, meter = self.server.requests, self._service.meter
        meter.gauge("connections", len(self._open))
        meter.gauge("threads", pool.size)
        meter.gauge("queue", self._count_ready() if pool.is_exhausted else 0)

    def _expire_one(self, connection: Connection, now: float) -> None:
        # A worker may have served it between the look and the claim: then it has a new deadline.
        if connection.deadline > now or connection.expire():
            self.put(connection)
        else:
            self.drop(connection)

    def _count_ready(self) -> int:
        # The kernel does not tell how many wait in its ready list; ask about each of them. Only
        # done when no worker is free.
        poll = select.poll()
        for descriptor, connection in list(self._waiting.items()):
            poll.register(descriptor, connection.events)
        return len(poll.poll(0))

    def _accept(self) -> bool:
        """Take who knocks; False when the system gives us no descriptor for it."""
        for _ in range(_ACCEPTS_IN_A_ROW):
            try:
                sock, peer = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._service.meter.refused("full")
                    _LOG.error("accept-failed", extra={"detail": errno.errorcode[error.errno]})
                    return False
                continue  # the peer has gone again
            self._admit(sock, peer)
        return True

    def _admit(self, sock: socket.socket, peer: object) -> None:
        # A Unix socket's peer has no address and no port.
        is_unix = not isinstance(peer, tuple)
        host = UNIX_PEER if is_unix else str(peer[0])  # type: ignore[index] # it is a tuple
        address = host if is_unix else plain_address(host.partition("%")[0]) or host
        is_trusted = self._service.proxies.trusts(address)
        refusal = self._refusal(network_of(address), is_counted=not (is_trusted or is_unix))
        if refusal is not None:
            self._turn_away(sock, refusal, None if is_trusted or is_unix else address)
            return
        sock.setblocking(False)
        connection = Connection(
            self._service,
            Wire(sock, self._service.patience, self._service.pace),
            connection_environ(
                server_name=self._service.server_name,
                server_port=self._service.server_port,
                address="127.0.0.1" if is_unix else address,  # whoever it is, it is on this machine
                port=None if is_unix else int(peer[1]),  # type: ignore[index] # it is a tuple
                multiprocess=self._service.multiprocess,
            ),
            is_trusted=is_trusted,
            address=network_of(address),
            tls=None if is_unix else self._tls,
        )
        with self._changed:
            self._open.add(connection)
            self._count(connection.address, 1)
        self._waiting[connection.wire.fd] = connection
        self._epoll.register(connection.wire.fd, select.EPOLLIN | select.EPOLLONESHOT)

    def _turn_away(self, sock: socket.socket, reason: str, address: str | None) -> None:
        """Close at once; say why where that costs no waiting, which a TLS handshake would."""
        service, request_id = self._service, new_request_id(self._service.random)
        service.note_refusal(reason, address=address, request_id=request_id, status=503)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            if self._tls is None:
                refusal = Refused(503, reason, _SENTENCES[reason])
                sock.send(service.refusal_reply(refusal, request_id, over_tls=False))
            sock.shutdown(socket.SHUT_WR)
        sock.close()

    def _refusal(self, network: str, *, is_counted: bool) -> str | None:
        settings = self._service.settings
        if len(self._open) >= settings.max_connections:
            return "full"
        if is_counted and self._per_address.get(network, 0) >= settings.connections_per_address:
            return "address-cap"
        return None

    def _count(self, network: str, change: int) -> None:
        count = self._per_address.get(network, 0) + change
        if count > 0:
            self._per_address[network] = count
        else:
            self._per_address.pop(network, None)


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 network of 64 bits."""
    if ":" not in address:
        return address
    number = int(ip_address(address)) >> 64 << 64
    return f"{IPv6Address(number)}/64"


def _has_more(connection: Connection) -> bool:
    """Tell whether something arrived on an idle connection; it is then answered before the end."""
    try:
        return bool(socket.socket.recv(connection.wire.sock, 1, socket.MSG_PEEK))
    except OSError:
        return False


def _cut(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # closed a moment earlier
