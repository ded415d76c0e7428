"""The listening socket: TCP for one or many processes, or a Unix socket.

Stock cheroot has a backlog of five, takes a socket from its parent for IPv4 only, and removes
whatever file lies at a Unix socket's path. Test: tests/davserver/http/test_listening.py.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from storage.errors import Misconfigured
from storage.sections import ServerConfig


def open_listeners(settings: ServerConfig, count: int) -> list[socket.socket]:
    """Return one listening socket for each of `count` workers.

    TCP: a queue for each, and the kernel spreads the connections. A Unix socket has one name and
    so one queue, which all share.
    """
    if settings.unix_socket is not None or count == 1:
        return [open_listener(settings)] * count
    if settings.port:
        # A shared port would also be shared with another server of the same user, in silence.
        open_listener(settings).close()
    first = open_listener(settings, reuse_port=True)
    # Port 0 lets the system choose, once for all.
    chosen = settings.model_copy(update={"port": first.getsockname()[1]})
    return [first, *(open_listener(chosen, reuse_port=True) for _ in range(count - 1))]


def open_listener(settings: ServerConfig, *, reuse_port: bool = False) -> socket.socket:
    """Return a bound, listening, non-blocking socket.

    With `reuse_port` each worker process opens its own and the kernel spreads the connections.
    Raises Misconfigured when the address can't be had.
    """
    path = settings.unix_socket
    try:
        sock = _bind_unix(path, settings.socket_mode) if path else _bind_tcp(settings, reuse_port)
    except OSError as error:
        raise Misconfigured(_sentence(settings, error)) from None
    sock.listen(settings.backlog)
    sock.setblocking(False)
    return sock


def _bind_tcp(settings: ServerConfig, reuse_port: bool) -> socket.socket:
    found = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Inherited by what is accepted: a reply is one send and shall not wait for company.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6 and settings.host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, mode: int) -> socket.socket:
    _remove_stale(Path(path))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode is set before anybody can connect: nobody listens yet.
        sock.bind(path)
        os.chmod(path, mode)  # noqa: PTH101 - a socket's name, not a file of ours
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on; leave anything else to fail loudly at bind."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


def _sentence(settings: ServerConfig, error: OSError) -> str:
    is_unix = settings.unix_socket is not None
    where = settings.host if is_unix else f"Port {settings.port} of {settings.host}"
    if error.errno != errno.EADDRINUSE:
        return f"{where} can't be listened on: {error.strerror or error}."
    if is_unix:
        return f"{where} can't be listened on: another program has it, or another file lies there."
    return (
        f"{where} can't be listened on: another program may have it. "
        "Stop that one, or set [server] port."
    )
