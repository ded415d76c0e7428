"""Downloads: never truncated, and given up only when the peer stops."""

import socket
import threading

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
SIZE = 8_000_000


def slow_server(serve, pieces, **settings):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", str(sum(map(len, pieces))))])
        return iter(pieces)

    return serve(app, **settings)


def narrow(peer):
    """Let little be under way, so that the server has to wait for the reader."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    return peer


def test_a_slow_reader_gets_the_whole_download(serve):
    """cheroot #821."""
    server = slow_server(serve, [bytes([n]) * 1_000_000 for n in range(8)])
    peer = narrow(server.connect()).send(GET)
    assert peer.reply().body == b"".join(bytes([n]) * 1_000_000 for n in range(8))


def test_a_reader_that_goes_on_slowly_outlasts_the_write_time_out(serve):
    server = slow_server(serve, [b"x" * SIZE], write_timeout_seconds=0.3)
    peer = narrow(server.connect()).send(GET)
    peer.head()
    got, pause = len(peer.buffer), threading.Event()
    for _ in range(12):  # four times the time-out, in steps well below it
        got += len(peer.sock.recv(100_000))
        pause.wait(0.1)
    while got < SIZE:
        got += len(peer.sock.recv(1_000_000))
    assert got == SIZE


def test_a_reader_that_stops_is_let_go(serve):
    server = slow_server(serve, [b"x" * SIZE] * 4, write_timeout_seconds=0.2)
    peer = narrow(server.connect()).send(GET)
    peer.head()
    server.eventually(lambda: server.server.connections._num_connections == 0)
    assert peer.is_reset()


def test_a_reader_that_goes_away_is_no_error_of_ours(serve, caplog):
    server = slow_server(serve, [b"x" * SIZE] * 4)
    peer = narrow(server.connect()).send(GET)
    peer.head()
    peer.sock.close()
    server.eventually(lambda: server.server.connections._num_connections == 0)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_small_reply_is_one_packet(serve):
    server = slow_server(serve, [b"x" * 100])
    peer = server.connect().send(GET)
    assert peer.sock.recv(65536).endswith(b"x" * 100)
