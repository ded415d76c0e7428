"""An S3 server that fails on demand: a proxy on a local port before one that works.

Each fault is asked for by the operation it hits, is spent when it has struck so many times, and
is a real one: connections are reset, answers stall or end early, bytes change on their way.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fault = Callable[["_Handler", bytes], None]
EVERY_TIME = 1_000_000

_DRIP_SECONDS = 0.05

_HOP_HEADERS = frozenset({"connection", "transfer-encoding", "keep-alive", "expect"})
_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>for a test</Message></Error>"


@dataclass
class _Planned:
    operation: str
    fault: Fault
    times: int
    after: int


class FaultyS3:
    """The proxy. Use as a context manager; `ranges` are those that were asked for, in order."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.ranges: list[str | None] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.faulty = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def plan(self, operation: str, fault: Fault, *, times: int = 1, after: int = 0) -> None:
        """Let `fault` strike the next `times` calls of `operation`, once `after` have passed."""
        self._planned.append(_Planned(operation, fault, times, after))

    def fault_for(self, operation: str) -> Fault | None:
        with self._lock:
            for planned in self._planned:
                if planned.operation not in (operation, "any") or planned.times == 0:
                    continue
                if planned.after > 0:
                    planned.after -= 1
                    continue
                planned.times -= 1
                return planned.fault
        return None

    def __enter__(self) -> FaultyS3:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


def answer(status: int, code: str) -> Fault:
    """The server says no, in the words of S3."""

    def strike(handler: _Handler, _: bytes) -> None:
        handler.respond(status, {"Content-Type": "application/xml"}, _ERROR.format(code=code))

    return strike


def reset(handler: _Handler, _: bytes) -> None:
    """The connection is torn down before the answer."""
    handler.tear_down()


def reset_after(handler: _Handler, body: bytes) -> None:
    """The server does its work, but the answer is lost."""
    handler.forward(body)
    handler.tear_down()


def stall(handler: _Handler, _: bytes) -> None:
    """The server takes the request and says nothing."""
    handler.server.faulty.released.wait()
    handler.tear_down()


def corrupt(handler: _Handler, body: bytes) -> None:
    """A bit of the body changes on the way to the server."""
    handler.respond(*handler.forward(_with_a_bit_changed(body)))


def corrupt_and_compare(handler: _Handler, body: bytes) -> None:
    """The same, before a server that compares no checksum: done here in its place, as S3 does."""
    changed = _with_a_bit_changed(body)
    digest = base64.b64encode(hashlib.md5(changed).digest()).decode()
    if handler.headers.get("Content-MD5", digest) == digest:
        handler.respond(*handler.forward(changed))
    else:
        answer(400, "BadDigest")(handler, changed)


def garble(handler: _Handler, _: bytes) -> None:
    """Something between answers instead, with a page that is not XML."""
    handler.respond(200, {"Content-Type": "text/html"}, "<html>Please sign in to the Wi-Fi")


def complete_badly(handler: _Handler, _: bytes) -> None:
    """S3's own trap: the status says well, the body says that it failed."""
    handler.respond(200, {"Content-Type": "application/xml"}, _ERROR.format(code="InternalError"))


def end_early(count: int) -> Fault:
    """The answer ends after so many of its bytes."""

    def strike(handler: _Handler, body: bytes) -> None:
        status, headers, content = handler.forward(body)
        handler.respond(status, headers, content[:count], announced=len(content))
        handler.close_connection = True

    return strike


def stall_after(count: int) -> Fault:
    """The answer stops after so many of its bytes, but does not end."""

    def strike(handler: _Handler, body: bytes) -> None:
        status, headers, content = handler.forward(body)
        handler.respond(status, headers, content[:count], announced=len(content))
        stall(handler, b"")

    return strike


def drip(count: int) -> Fault:
    """The answer comes byte by byte, slowly, and stops after so many of them without an end."""

    def strike(handler: _Handler, body: bytes) -> None:
        status, headers, content = handler.forward(body)
        handler.respond(status, headers, b"", announced=len(content))
        for index in range(count):
            handler.wfile.write(content[index : index + 1])
            handler.wfile.flush()
            handler.server.faulty.released.wait(_DRIP_SECONDS)
        stall(handler, b"")

    return strike


def _with_a_bit_changed(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # then the server waits for its threads when it is closed
    faulty: FaultyS3

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the connections that are kept open for a request that won't come."""
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gives up is what many tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: _Server

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "GET":
            self.server.faulty.ranges.append(self.headers.get("Range"))
        fault = self.server.faulty.fault_for(self._operation())
        if fault is not None:
            fault(self, body)
        else:
            self.respond(*self.forward(body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815

    def _operation(self) -> str:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        names = {
            ("POST", "uploads"): "begin",
            ("PUT", "partNumber"): "part",
            ("POST", "uploadId"): "complete",
            ("DELETE", "uploadId"): "abort",
            ("GET", "uploads"): "list uploads",
            ("GET", "list-type"): "list",
        }
        for (method, key), name in names.items():
            if method == self.command and key in query:
                return name
        return self.command.lower()

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.server.faulty.upstream, timeout=30)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_HEADERS}
            with contextlib.suppress(BrokenPipeError):  # it has answered before the end
                upstream.request(self.command, self.path, body, headers)
            answered = upstream.getresponse()
            content = answered.read()
            headers = {k: v for k, v in answered.getheaders() if k.lower() not in _HOP_HEADERS}
            return answered.status, headers, content
        finally:
            upstream.close()

    def respond(
        self, status: int, headers: dict[str, str], content: bytes | str, announced: int = -1
    ) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.send_response_only(status)
        for name, value in headers.items():
            if self.command == "HEAD" or name.lower() != "content-length":
                self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(max(announced, len(content))))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def tear_down(self) -> None:
        # Closing with a linger of zero makes the kernel send a reset instead of a farewell.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
