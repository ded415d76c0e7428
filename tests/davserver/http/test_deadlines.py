"""Time: nobody holds anything of ours for longer than the settings allow."""

import threading
from contextlib import suppress

import pytest

from davserver.http.connections import TICK_SECONDS

LINE = b"GET / HTTP/1.1\r\nHost: a\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\n"


def test_a_half_sent_head_is_408_at_its_deadline(serve):
    peer = serve(header_timeout_seconds=0.2).connect().send(LINE)
    assert (peer.reply().status, peer.is_closed()) == (408, True)


def test_a_head_that_trickles_does_not_move_its_deadline(serve):
    peer = serve(header_timeout_seconds=0.3).connect().send(b"GET / HTTP/1.1\r\n")
    while peer.says_nothing_for(0.05):
        peer.send(b"X: y\r\n")
    assert peer.reply().status == 408


def test_a_connection_that_says_nothing_is_closed(serve):
    assert serve(header_timeout_seconds=0.2).connect().is_closed()


def test_an_idle_connection_is_closed_after_its_time(serve):
    peer = serve(idle_timeout_seconds=0.2).connect().send(LINE + b"\r\n")
    assert peer.reply().status == 200
    assert peer.is_closed()


def test_idle_time_begins_after_the_last_reply(serve):
    peer = serve(idle_timeout_seconds=5, header_timeout_seconds=0.2).connect().send(LINE + b"\r\n")
    assert peer.reply().status == 200
    assert peer.says_nothing_for(0.2 + 3 * TICK_SECONDS)
    assert peer.send(LINE + b"\r\n").reply().status == 200


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n"]
)
def test_a_body_that_stops_is_408(serve, framing):
    peer = serve(body_timeout_seconds=0.2).connect().send(PUT + framing + b"hell")
    assert (peer.reply().status, peer.is_closed()) == (408, True)


def test_a_body_below_the_least_rate_is_408(serve):
    server = serve(min_body_bytes_per_second=1000, body_rate_window_seconds=0.3)
    peer = server.connect().send(PUT + b"Content-Length: 100000\r\n\r\n")
    while peer.says_nothing_for(0.02):
        peer.send_as_far_as_it_goes(b"x")
    assert peer.reply().status == 408


def test_a_body_above_the_least_rate_takes_all_the_time_it_needs(serve):
    server = serve(min_body_bytes_per_second=100, body_rate_window_seconds=0.1)
    peer = server.connect().send(PUT + b"Content-Length: 400\r\n\r\n")
    for _ in range(20):
        peer.says_nothing_for(0.03)
        peer.send(b"x" * 20)
    assert peer.reply().status == 200


def test_a_reader_that_trickles_is_cut_off(serve):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "16000000")])
        return [b"x" * 16_000_000]

    server = serve(app, min_body_bytes_per_second=1_000_000, body_rate_window_seconds=0.3)
    peer = server.connect().send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    pause, received = threading.Event(), 0
    with suppress(ConnectionResetError):
        while piece := peer.sock.recv(1000):
            received += len(piece)
            pause.wait(0.02)
    assert 0 < received < 16_000_000


def test_a_reader_that_keeps_the_pace_is_served_to_the_end(serve):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "16000000")])
        return [b"x" * 16_000_000]

    server = serve(app, min_body_bytes_per_second=1000, body_rate_window_seconds=0.1)
    peer = server.connect().send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    pause, received = threading.Event(), 0
    while received < 16_000_000:
        received += len(peer.sock.recv(200_000))
        pause.wait(0.01)
    assert server.connect().send(b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n").head().status == 200
