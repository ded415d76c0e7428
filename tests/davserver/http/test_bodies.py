"""Bodies: read to their announced end, drained when small, and never taken for whole when torn."""

import pytest

from storage.errors import Incomplete

PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\n"


def refusing(environ, start_response):
    """Answer 401 without looking at the body, as the gate does."""
    start_response("401 Unauthorized", [("Content-Length", "2")])
    return [b"no"]


@pytest.fixture
def catching(serve):
    """Start an application that reports what reading the body raised."""
    caught = []

    def app(environ, start_response):
        try:
            caught.append(environ["wsgi.input"].read())
        except Incomplete as error:
            caught.append(error)
            raise
        start_response("200 OK", [])
        return [b"done"]

    def start(**settings):
        return serve(app, **settings), caught

    return start


def test_a_body_is_read_to_its_announced_length(server):
    assert server.ask(PUT + b"Content-Length: 5\r\n\r\nhello").body == b"PUT /a hello"


def test_a_body_cut_short_raises_incomplete_instead_of_ending(catching):
    server, caught = catching()
    peer = server.connect().send(PUT + b"Content-Length: 10\r\n\r\nhello")
    peer.sock.shutdown(1)
    peer.rest()
    assert [type(each).__mro__[2] for each in caught] == [Incomplete]


def test_a_body_cut_short_is_answered_400_where_somebody_still_listens(catching):
    server, _ = catching()
    peer = server.connect().send(PUT + b"Content-Length: 10\r\n\r\nhello")
    peer.sock.shutdown(1)
    assert peer.reply().status == 400


def test_reading_on_after_a_cut_raises_again(serve):
    outcomes = []

    def app(environ, start_response):
        for _ in range(2):
            try:
                environ["wsgi.input"].read()
            except Incomplete:
                outcomes.append("incomplete")
        start_response("200 OK", [])
        return [b""]

    peer = serve(app).connect().send(PUT + b"Content-Length: 10\r\n\r\nhello")
    peer.sock.shutdown(1)
    peer.rest()
    assert outcomes == ["incomplete", "incomplete"]


def test_no_body_is_empty_and_finished(server):
    assert server.ask(PUT + b"\r\n").body == b"PUT /a "


def test_two_requests_in_one_packet_get_two_replies_in_order(server):
    one = PUT + b"Content-Length: 1\r\n\r\n1"
    peer = server.connect().send(one + one.replace(b"\r\n\r\n1", b"\r\n\r\n2"))
    assert [peer.reply().body, peer.reply().body] == [b"PUT /a 1", b"PUT /a 2"]


def test_many_pipelined_requests_are_all_answered(server):
    peer = server.connect().send((PUT + b"Content-Length: 1\r\n\r\n1") * 200)
    assert [peer.reply().status for _ in range(200)] == [200] * 200


def test_a_small_unread_body_is_never_the_next_request(serve):
    hidden = b"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n"
    peer = serve(refusing).connect()
    peer.send(PUT + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden)
    assert peer.reply().status == 401
    assert peer.says_nothing_for(0.2)


def test_the_connection_goes_on_after_a_small_unread_body(serve):
    peer = serve(refusing).connect().send(PUT + b"Content-Length: 5\r\n\r\nhello")
    assert peer.reply().status == 401
    peer.send(PUT + b"\r\n")
    assert peer.reply().status == 401


def test_an_unread_chunked_body_is_never_the_next_request(serve):
    peer = serve(refusing).connect()
    peer.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert peer.reply().status == 401
    assert peer.says_nothing_for(0.2)


def test_a_large_unread_body_gets_its_reply_before_it_arrives_and_the_connection_closes(serve):
    peer = serve(refusing, linger_timeout_seconds=0.2).connect()
    peer.send(PUT + b"Content-Length: 400000000\r\n\r\n" + b"x" * 1000)
    reply = peer.reply()
    assert (reply.status, reply["connection"]) == (401, "close")
    assert peer.is_closed()


def test_a_reply_survives_a_client_that_goes_on_sending(serve):
    peer = serve(refusing).connect()
    peer.send(PUT + b"Content-Length: 4000000\r\n\r\n")
    peer.send_as_far_as_it_goes(b"x" * 1_000_000)
    assert peer.reply().status == 401


def test_an_unread_body_that_never_comes_closes_the_connection_soon(serve):
    server = serve(refusing, drain_timeout_seconds=0.2, linger_timeout_seconds=0.2)
    peer = server.connect().send(PUT + b"Content-Length: 5\r\n\r\n")
    assert (peer.reply().status, peer.is_closed()) == (401, True)


def test_an_unread_chunked_body_beyond_the_drain_closes_the_connection(serve):
    peer = serve(refusing, linger_timeout_seconds=0.2).connect()
    peer.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n")
    peer.send_as_far_as_it_goes(b"10000\r\n" + b"x" * 65536 + b"\r\n" + b"10000\r\n")
    peer.send_as_far_as_it_goes(
        b"x" * 65536 + b"\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 9
    )
    assert peer.reply().status == 401
    assert peer.is_closed()


def test_a_body_above_the_limit_is_413_before_it_is_read(serve):
    server = serve(max_body_bytes=10)
    assert server.ask(PUT + b"Content-Length: 11\r\n\r\n").status == 413


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        (lambda body: body.readline(), b"one\n"),
        (lambda body: b"|".join(body), b"one\n|two"),
        (lambda body: b"|".join(body.readlines()), b"one\n|two"),
        (lambda body: body.readline(2), b"on"),
        (lambda body: body.read(2) + b"|" + body.read(), b"on|e\ntwo"),
        (lambda body: body.read(100), b"one\ntwo"),
        (lambda body: body.read(0) + body.read(None), b"one\ntwo"),
    ],
    ids=["readline", "iterate", "readlines", "readline-size", "parts", "more-than-all", "none"],
)
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 7\r\n\r\none\ntwo",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n3\r\ntwo\r\n0\r\n\r\n",
    ],
    ids=["counted", "chunked"],
)
def test_the_input_reads_as_pep_3333_says(serve, reads, expected, framing):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [reads(environ["wsgi.input"])]

    assert serve(app).ask(PUT + framing).body == expected


def test_the_input_fills_a_buffer(serve):
    def app(environ, start_response):
        target = bytearray(5)
        count = environ["wsgi.input"].readinto(target)
        start_response("200 OK", [])
        return [bytes(target[:count])]

    assert serve(app).ask(PUT + b"Content-Length: 5\r\n\r\nhello").body == b"hello"


def test_a_large_body_arrives_whole(serve):
    def app(environ, start_response):
        body, total = environ["wsgi.input"], 0
        while piece := body.read(256 * 1024):
            total += len(piece)
        start_response("200 OK", [])
        return [str(total).encode()]

    peer = serve(app).connect().send(PUT + b"Content-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
    assert peer.reply().body == b"20000000"
