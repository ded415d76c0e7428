"""`Expect: 100-continue`: nobody is asked for a body that nobody will read."""

import pytest

PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"


@pytest.mark.parametrize("spelling", ["100-continue", "100-Continue", "100-CONTINUE"])
def test_continue_is_sent_in_any_letter_case_when_the_application_reads(server, spelling):
    peer = server.connect().send(PUT + f"Expect: {spelling}\r\n\r\n".encode())
    assert peer.reply().status == 100
    assert peer.send(b"hello").reply().body == b"PUT /a hello"


def test_continue_is_not_sent_when_the_application_does_not_read(replying):
    peer = replying("401 Unauthorized").connect().send(PUT + b"Expect: 100-continue\r\n\r\n")
    assert peer.reply().status == 401


def test_a_client_that_was_not_told_to_continue_is_let_go(replying):
    server = replying("401 Unauthorized", linger_timeout_seconds=0.2)
    peer = server.connect().send(PUT + b"Expect: 100-continue\r\n\r\n")
    assert peer.reply()["connection"] == "close"
    assert peer.is_closed()


def test_continue_is_not_sent_to_a_client_that_has_begun(server):
    reply = server.ask(PUT + b"Expect: 100-continue\r\n\r\nhello")
    assert (reply.status, reply.body) == (200, b"PUT /a hello")


def test_continue_comes_before_a_chunked_body_too(server):
    peer = server.connect().send(
        b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    )
    assert peer.reply().status == 100
    assert peer.send(b"5\r\nhello\r\n0\r\n\r\n").reply().body == b"PUT /a hello"


def test_http_1_0_never_sees_an_interim_response(server):
    request = b"PUT /a HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    assert server.ask(request).status == 200
