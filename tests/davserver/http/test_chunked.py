"""The chunked coding, and every way of smuggling by it."""

import tracemalloc

import pytest

HEAD = b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "hex-prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "blank-before": b" 5\r\nhello\r\n0\r\n\r\n",
    "blank-after": b"5 \r\nhello\r\n0\r\n\r\n",
    "empty-size": b"\r\nhello\r\n0\r\n\r\n",
    "no-number": b"zz\r\nhello\r\n0\r\n\r\n",
    "lf-only": b"5\nhello\r\n0\r\n\r\n",
    "lf-after-data": b"5\r\nhello\n0\r\n\r\n",
    "longer-than-said": b"5\r\nhello!\r\n0\r\n\r\n",
    "shorter-than-said": b"6\r\nhello\r\n0\r\n\r\n",
    "huge-size": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "cr-in-extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "control-in-extension": b"5;a\x01\r\nhello\r\n0\r\n\r\n",
    "endless-size-line": b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailer-without-colon": b"0\r\nnonsense\r\n\r\n",
    "trailer-with-lf": b"0\r\nA: b\n\r\n\r\n",
    "too-many-trailers": b"0\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
    "one-endless-trailer": b"0\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
    "more-framing-than-content": b"1;" + b"a" * 200 + b"\r\nx\r\n",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_broken_framing_is_refused_and_nothing_after_it_is_believed(server, body):
    times = 600 if body.startswith(b"1;") else 1
    peer = server.connect().send_as_far_as_it_goes(HEAD + body * times)
    peer.send_as_far_as_it_goes(b"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert peer.reply().status == 400
    assert peer.is_closed()


def test_chunks_are_joined(server):
    reply = server.ask(HEAD + b'5\r\nhello\r\n1;x="y"\r\n \r\n5\r\nworld\r\n000\r\n\r\n')
    assert reply.body == b"PUT /a hello world"


def test_chunks_that_arrive_byte_by_byte_are_joined(server):
    peer = server.connect().send(HEAD)
    for byte in b"5\r\nhello\r\n0\r\nA: b\r\n\r\n":
        peer.send(bytes([byte]))
    assert peer.reply().body == b"PUT /a hello"


def test_a_request_in_the_trailers_is_not_executed(server):
    peer = server.connect().send(HEAD + b"5\r\nhello\r\n0\r\nA: b\r\nX: GET /b HTTP/1.1\r\n\r\n")
    assert peer.reply().body == b"PUT /a hello"
    assert peer.says_nothing_for(0.2)


def test_trailers_never_reach_the_application(serve):
    def app(environ, start_response):
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [str("HTTP_EVIL" in environ).encode()]

    assert serve(app).ask(HEAD + b"0\r\nEvil: 1\r\n\r\n").body == b"False"


def test_the_next_request_follows_a_chunked_one(server):
    peer = server.connect().send((HEAD + b"1\r\na\r\n0\r\n\r\n") * 3)
    assert [peer.reply().body for _ in range(3)] == [b"PUT /a a"] * 3


def test_a_chunked_body_cut_short_is_incomplete(server):
    peer = server.connect().send(HEAD + b"5\r\nhello\r\n")
    peer.sock.shutdown(1)
    assert peer.reply().status == 400


def test_a_chunked_body_above_the_limit_is_413(serve):
    server = serve(max_body_bytes=10)
    peer = server.connect().send(HEAD + b"5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n")
    assert peer.reply().status == 413


def test_a_huge_chunk_is_read_in_pieces(serve):
    """Memory is watched over the whole process: the peer sends from one small buffer."""

    def app(environ, start_response):
        body, total = environ["wsgi.input"], 0
        while piece := body.read(65536):
            total += len(piece)
        start_response("200 OK", [])
        return [str(total).encode()]

    server = serve(app)
    piece = b"x" * 65536
    tracemalloc.start()
    try:
        peer = server.connect().send(HEAD + b"%x\r\n" % (len(piece) * 500))
        for _ in range(500):
            peer.send(piece)
        peer.send(b"\r\n0\r\n\r\n")
        assert peer.reply().body == b"%d" % (len(piece) * 500)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
