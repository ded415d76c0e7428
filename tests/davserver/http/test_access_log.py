"""One line for each request, with nothing in it as the client sent it."""

import logging

import pytest

from davserver.http.access_log import printable


@pytest.fixture
def lines(caplog):
    """Return the access lines so far, waiting for the first: it follows the reply."""
    caplog.set_level(logging.INFO, "davserver.http.access")

    def read(server, count=1):
        def found():
            return [r for r in caplog.records if r.name == "davserver.http.access"]

        server.eventually(lambda: len(found()) >= count)
        return found()

    return read


def test_a_request_leaves_one_line_that_says_what_happened(serve, lines):
    def app(environ, start_response):
        environ["davserver.device_id"] = "device-7"
        environ["wsgi.input"].read()
        start_response("201 Created", [])
        return [b"made"]

    server = serve(app)
    request = b"PUT /a%20b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    server.ask(request)
    (line,) = lines(server)
    assert (line.method, line.path, line.status) == ("PUT", "/a b", 201)
    assert (line.device_id, line.address, line.was_cut) == ("device-7", "127.0.0.1", False)
    assert line.bytes_in == len(request)
    assert line.bytes_out > 4
    assert line.milliseconds >= 0


def test_the_line_has_the_id_that_the_application_saw(serve, lines):
    seen = []

    def app(environ, start_response):
        seen.append(environ["davserver.request_id"])
        start_response("204 No Content", [])
        return []

    server = serve(app)
    server.get()
    assert [line.request_id for line in lines(server)] == seen


def test_a_method_that_a_client_made_up_is_not_written(server, lines):
    server.ask(b"EVIL-METHOD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert lines(server)[0].method == "OTHER"


def test_a_refused_request_leaves_a_line_too(server, lines):
    reply = server.ask(b"nonsense\r\n\r\n")
    (line,) = lines(server)
    assert (line.msg, line.reason, line.address) == ("refused", "malformed", "127.0.0.1")
    assert (line.status, line.request_id) == (400, reply["x-request-id"])


def test_a_refused_request_behind_a_proxy_is_held_against_the_client(serve, lines):
    server = serve(trusted_proxies=("127.0.0.1",))
    server.ask(b"GET /%00 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n")
    (line,) = lines(server)
    assert (line.reason, line.address) == ("target", "8.8.8.8")


def test_a_proxy_is_never_named_for_what_its_unknown_client_sent(serve, lines):
    server = serve(trusted_proxies=("127.0.0.1",))
    server.ask(b"nonsense\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n")
    (line,) = lines(server)
    assert (line.reason, hasattr(line, "address")) == ("malformed", False)


def test_a_broken_body_leaves_a_line_of_its_own(serve, lines):
    server = serve()
    server.ask(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
    refused, request = lines(server, 2)
    assert (refused.reason, refused.address) == ("body-malformed", "127.0.0.1")
    assert refused.request_id == request.request_id


def test_a_connection_over_the_cap_leaves_a_line(serve, lines):
    server = serve(connections_per_address=1)
    server.connect()
    server.connect().reply()
    (line,) = lines(server)
    assert (line.reason, line.address, line.status) == ("address-cap", "127.0.0.1", 503)


def test_a_torn_reply_is_marked(serve, lines):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "9")])
        return iter([b"hello"])

    server = serve(app)
    server.connect().send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").rest()
    assert lines(server)[0].was_cut


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/ä b", "/ä b"),
        ("/\u202etxt.exe", "/\\u202etxt.exe"),
        ('/a" 200 "', '/a\\" 200 \\"'),
        ("/a\\n", "/a\\\\n"),
        ("/\u2028x", "/\\u2028x"),
        ("/" + "a" * 600, "/" + "a" * 511 + "\\u2026"),
    ],
)
def test_what_could_forge_a_line_is_escaped(text, shown):
    assert printable(text).replace("…", "\\u2026") == shown
