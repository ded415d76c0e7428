"""A real server on a free port of the loopback, and a peer that says exactly what it is told."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from davserver.http.access_log import AccessLog
from davserver.http.metrics import Board, metrics_text
from davserver.http.server import HttpServer
from storage.sections import ServerConfig

PATIENCE = 10.0


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) == 1, (name, self.headers)
        return values[0]

    def has(self, name):
        return any(key.lower() == name.lower() for key, _ in self.headers)


class Peer:
    """One connection of a client. Every wait has a deadline."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def send_as_far_as_it_goes(self, data):
        with suppress(OSError):
            self.sock.sendall(data)
        return self

    def line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def rest(self):
        with suppress(ConnectionResetError, ssl.SSLEOFError):
            while piece := self.sock.recv(65536):
                self.buffer += piece
        data, self.buffer = self.buffer, b""
        return data

    def head(self):
        version, status, *_ = self.line().split(" ", 2)
        assert version == "HTTP/1.1"
        headers = []
        while line := self.line():
            name, _, value = line.partition(": ")
            headers.append((name, value))
        return Reply(int(status), headers, b"")

    def reply(self, method="GET"):
        reply = self.head()
        if method == "HEAD" or reply.status in (100, 204, 304):
            return reply
        if reply.has("transfer-encoding"):
            while size := int(self.line(), 16):
                reply.body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            assert self.line() == ""
        elif reply.has("content-length"):
            reply.body = self.exactly(int(reply["content-length"]))
        else:
            reply.body = self.rest()
        return reply

    def is_closed(self):
        """Whether the server ends the connection, cleanly or not, before our patience does."""
        try:
            return self.buffer == b"" and self.sock.recv(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True

    def is_reset(self):
        """Whether the connection is torn rather than closed."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            return True
        return False

    def says_nothing_for(self, seconds):
        return self.buffer == b"" and not select.select([self.sock], [], [], seconds)[0]

    def _more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError(f"closed after {self.buffer!r}")
        self.buffer += piece


@dataclass
class Running:
    server: HttpServer
    board: Board
    thread: threading.Thread
    peers: list[Peer] = field(default_factory=list)

    @property
    def port(self):
        return self.server.bind_addr[1]

    def connect(self, source=None):
        address = self.server.bind_addr
        if isinstance(address, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(PATIENCE)
            sock.connect(address)
        else:
            source_address = None if source is None else (source, 0)
            sock = socket.create_connection(address, PATIENCE, source_address)
        peer = Peer(sock)
        self.peers.append(peer)
        return peer

    def connect_tls(self, context):
        plain = self.connect()
        plain.sock = context.wrap_socket(plain.sock, server_hostname="localhost")
        return plain

    def ask(self, request, method="GET"):
        """Send one request on a connection of its own and return the reply."""
        return self.connect().send(request).reply(method)

    def get(self, path="/"):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def metric(self, line_start):
        for line in metrics_text(self.board).decode().splitlines():
            if line.startswith(line_start):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def eventually(self, condition):
        ends_at = time.monotonic() + PATIENCE
        event = threading.Event()
        while not condition():
            assert time.monotonic() < ends_at, "it never came true"
            event.wait(0.01)
        return True


def echo(environ, start_response):
    """Read the body and say what was asked."""
    body = environ["wsgi.input"].read()
    text = f"{environ['REQUEST_METHOD']} {environ['davserver.path']} ".encode() + body
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


@pytest.fixture
def echo_app():
    return echo


@pytest.fixture
def serve():
    """Start a server for an application, with settings in its place of the defaults."""
    running = []

    def start(app=echo, *, listener=None, access_log=None, **settings):
        values = {"port": 0, "grace_seconds": 2.0, **settings}
        board = Board(1)
        server = HttpServer(
            app,
            ServerConfig(**values),
            listener=listener,
            cells=board.slot(0),
            access_log=AccessLog() if access_log is None else access_log,
        )
        server.prepare()
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        running.append(Running(server, board, thread))
        return running[-1]

    yield start
    for each in running:
        for peer in each.peers:
            peer.sock.close()
        each.server.stop()
        each.thread.join(PATIENCE)
        assert not each.thread.is_alive()


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def replying(serve):
    """Start a server whose application answers with the given status, headers and pieces."""

    def start(status="200 OK", headers=(), pieces=(b"hello",), **settings):
        def app(environ, start_response):
            start_response(status, list(headers))
            return pieces() if callable(pieces) else list(pieces)

        return serve(app, **settings)

    return start
