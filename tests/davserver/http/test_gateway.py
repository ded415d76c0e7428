"""What becomes of what the application answers."""

import logging

import pytest

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n"
GET_10 = b"GET /a HTTP/1.0\r\n\r\n"

BAD_HEADS = {
    "line-break-in-value": ("200 OK", [("X", "a\r\nEvil: 1")]),
    "lf-in-value": ("200 OK", [("X", "a\nb")]),
    "cr-in-value": ("200 OK", [("X", "a\rb")]),
    "nul-in-value": ("200 OK", [("X", "a\0b")]),
    "not-latin-1": ("200 OK", [("X", "🌲")]),
    "blank-in-name": ("200 OK", [("X Y", "a")]),
    "colon-in-name": ("200 OK", [("X:", "a")]),
    "empty-name": ("200 OK", [("", "a")]),
    "line-break-in-status": ("200 OK\r\nEvil: 1", []),
    "no-status": ("OK", []),
    "interim-status": ("100 Continue", []),
    "negative-length": ("200 OK", [("Content-Length", "-1")]),
    "two-lengths": ("200 OK", [("Content-Length", "5"), ("Content-Length", "5")]),
    "coding": ("200 OK", [("Transfer-Encoding", "chunked")]),
}


def failing(*, after=()):
    def app(environ, start_response):
        if after:
            start_response("200 OK", [("Content-Length", "100")])
            yield from after
        raise RuntimeError("the secret of the house")

    return app


@pytest.mark.parametrize(("status", "headers"), BAD_HEADS.values(), ids=BAD_HEADS)
def test_a_head_that_must_not_be_sent_becomes_a_500(replying, status, headers):
    reply = replying(status, headers).ask(GET)
    assert reply.status == 500
    assert not reply.has("evil")


def test_a_failure_before_the_first_byte_is_a_500_with_a_reference_and_nothing_more(serve, caplog):
    reply = serve(failing()).ask(GET)
    (record,) = [record for record in caplog.records if record.name == "davserver.http"]
    assert reply.status == 500
    assert record.request_id in reply.body.decode()
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body


def test_a_failure_is_logged_once(serve, caplog):
    serve(failing()).ask(GET)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == [
        "application-failed"
    ]


def test_a_plain_function_that_fails_is_a_500_too(serve):
    def app(environ, start_response):
        raise RuntimeError

    assert serve(app).ask(GET).status == 500


def test_a_failure_after_the_first_byte_tears_the_connection(serve):
    peer = serve(failing(after=[b"hello"])).connect().send(GET)
    assert peer.head().status == 200
    assert peer.is_reset()


def test_a_response_shorter_than_announced_tears_the_connection(replying):
    peer = replying(headers=[("Content-Length", "9")], pieces=[b"he", b"llo"]).connect().send(GET)
    assert peer.head().status == 200
    assert peer.is_reset()


def test_a_response_of_nothing_where_bytes_were_announced_is_a_500(replying):
    assert replying(headers=[("Content-Length", "9")], pieces=[]).ask(GET).status == 500


def test_a_first_piece_longer_than_announced_is_a_500(replying):
    assert replying(headers=[("Content-Length", "2")], pieces=[b"hello"]).ask(GET).status == 500


def test_a_later_piece_longer_than_announced_tears_the_connection(replying):
    server = replying(headers=[("Content-Length", "6")], pieces=[b"hello", b"world"])
    peer = server.connect().send(GET)
    assert peer.head().status == 200
    assert peer.is_reset()


def test_text_instead_of_bytes_is_a_500(replying):
    assert replying(pieces=["hello"]).ask(GET).status == 500


def test_an_application_that_never_starts_a_response_is_a_500(serve):
    assert serve(lambda environ, start_response: []).ask(GET).status == 500


def test_starting_twice_is_a_500(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    assert serve(app).ask(GET).status == 500


def test_starting_again_with_an_error_replaces_the_first_head(serve):
    def app(environ, start_response):
        start_response("200 OK", [("X", "1")])
        try:
            raise ValueError
        except ValueError as error:
            start_response("409 Conflict", [], (ValueError, error, error.__traceback__))
        return [b"no"]

    reply = serve(app).ask(GET)
    assert (reply.status, reply.has("x"), reply.body) == (409, False, b"no")


def test_the_write_callable_sends(serve):
    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"hello ")
        write(b"")
        return [b"world"]

    assert serve(app).ask(GET).body == b"hello world"


def test_an_iterable_is_closed_once_also_when_it_fails(serve):
    closed = []

    class Pieces:
        def __iter__(self):
            yield b"a"
            raise RuntimeError

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Pieces()

    assert serve(app).connect().send(GET).is_reset()
    assert closed == [True]


def test_one_piece_without_a_length_gets_one(replying):
    assert replying().ask(GET)["content-length"] == "5"


def test_several_pieces_are_chunked_and_the_connection_stays(replying):
    peer = replying(pieces=[b"hello ", b"", b"world"]).connect().send(GET)
    assert peer.reply().body == b"hello world"
    assert peer.send(GET).reply().body == b"hello world"


def test_a_large_chunked_piece_arrives_whole(replying):
    piece = b"x" * 300_000
    assert replying(pieces=[piece, b"y"]).ask(GET).body == piece + b"y"


def test_http_1_0_gets_no_chunks_but_the_end_of_the_connection(replying):
    reply = replying(pieces=[b"hello ", b"world"]).ask(GET_10)
    assert (reply.body, reply.has("transfer-encoding")) == (b"hello world", False)


def test_http_1_0_stays_open_when_asked_and_possible(replying):
    peer = replying().connect()
    ask = b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert peer.send(ask).reply()["connection"] == "keep-alive"
    assert peer.send(ask).reply().body == b"hello"


def test_http_1_0_is_closed_by_default(replying):
    peer = replying().connect().send(GET_10)
    assert (peer.reply().body, peer.is_closed()) == (b"hello", True)


def test_head_has_the_length_and_no_body(replying):
    peer = replying(headers=[("Content-Length", "5")]).connect().send(HEAD)
    assert peer.reply("HEAD")["content-length"] == "5"
    assert peer.send(HEAD).reply("HEAD").status == 200


def test_head_with_nothing_to_yield_keeps_the_announced_length(replying):
    peer = replying(headers=[("Content-Length", "5")], pieces=[]).connect().send(HEAD)
    assert peer.reply("HEAD")["content-length"] == "5"


def test_head_announces_nothing_that_nobody_knows(replying):
    reply = replying(pieces=[b""]).ask(HEAD, "HEAD")
    assert not reply.has("content-length")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_content_has_no_body_and_keeps_the_connection(replying, status):
    peer = replying(status).connect().send(GET)
    reply = peer.reply()
    assert (reply.status, reply.has("transfer-encoding")) == (int(status[:3]), False)
    assert peer.send(GET).reply().status == int(status[:3])


def test_204_carries_no_content_length(replying):
    reply = replying("204 No Content", [("Content-Length", "0")], []).ask(GET)
    assert not reply.has("content-length")


def test_304_may_say_how_long_the_file_is(replying):
    reply = replying("304 Not Modified", [("Content-Length", "9")], []).ask(GET)
    assert reply["content-length"] == "9"


def test_an_empty_response_says_so(replying):
    assert replying(pieces=[]).ask(GET)["content-length"] == "0"


def test_the_applications_wish_to_close_is_honoured(replying):
    peer = replying(headers=[("connection", "Close")]).connect().send(GET)
    assert (peer.reply()["connection"], peer.is_closed()) == ("close", True)


def test_the_clients_wish_to_close_is_honoured(replying):
    peer = replying().connect().send(GET[:-2] + b"Connection: Close\r\n\r\n")
    assert (peer.reply()["connection"], peer.is_closed()) == ("close", True)


def test_system_exit_in_an_application_ends_one_connection_only(serve):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/exit":
            raise SystemExit
        start_response("200 OK", [])
        return [b"hello"]

    server = serve(app, threads=1)
    assert server.connect().send(b"GET /exit HTTP/1.1\r\nHost: a\r\n\r\n").is_closed()
    assert server.ask(GET).body == b"hello"


def test_what_a_library_writes_to_the_error_stream_is_logged(serve, caplog):
    def app(environ, start_response):
        print("look here", file=environ["wsgi.errors"])
        start_response("204 No Content", [])
        return []

    serve(app).ask(GET)
    assert "look here" in [record.getMessage() for record in caplog.records]
