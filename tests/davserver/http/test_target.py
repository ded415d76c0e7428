"""Which paths exist, and that each has one reading only."""

import pytest

from davserver.http.refusals import Refused
from davserver.http.target import decode_path

BAD = {
    "invalid-utf8": "/%ff", "overlong-utf8": "/%c0%af", "surrogate": "/%ed%a0%80",
    "nul": "/a%00", "slash": "/a%2Fb", "slash-lower": "/a%2fb", "backslash": "/a%5Cb",
    "raw-backslash": "/a\\b", "line-feed": "/a%0ab", "carriage-return": "/a%0d", "delete": "/%7f",
    "next-line": "/%c2%85", "broken-escape": "/%g1", "short-escape": "/a%4", "lone-percent": "/%",
    "climb": "/..", "climb-deep": "/a/../..", "climb-encoded": "/%2e%2e/etc",
    "climb-half-encoded": "/a/.%2E/../b",
}  # fmt: skip
GOOD = {
    "/": "/", "/a%20b": "/a b", "/%C3%A4": "/ä", "/a/./b": "/a/b", "/a/../b/": "/b/",
    "/a/..": "/", "/a/.": "/a/", "//a//b": "/a/b", "/%2525": "/%25", "/a+b": "/a+b",
    "/.hidden": "/.hidden", "/...": "/...", "/a;b=c": "/a;b=c", "/what%3F.txt": "/what?.txt",
    "/~%7e": "/~~", "/%F0%9F%8C%B2": "/🌲",
}  # fmt: skip


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_a_path_with_two_readings_is_refused(raw):
    with pytest.raises(Refused) as caught:
        decode_path(raw)
    assert caught.value.status == 400


@pytest.mark.parametrize(("raw", "path"), GOOD.items())
def test_a_path_is_decoded_once(raw, path):
    assert decode_path(raw) == path


def test_the_refusal_of_a_path_closes_the_connection(server):
    peer = server.connect().send(b"GET /%2e%2e HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (peer.reply().status, peer.is_closed()) == (400, True)


@pytest.fixture
def environ_of(serve):
    def ask(request):
        seen = {}

        def app(environ, start_response):
            seen.update(environ)
            start_response("204 No Content", [])
            return []

        assert serve(app).ask(request).status == 204
        return seen

    return ask


def test_the_path_reaches_the_application_as_text_and_in_wsgi_form(environ_of):
    environ = environ_of(b"GET /%C3%A4?q=%C3%A4 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert environ["davserver.path"] == "/ä"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/ä"
    assert (environ["QUERY_STRING"], environ["REQUEST_URI"]) == ("q=%C3%A4", "/%C3%A4?q=%C3%A4")


def test_absolute_form_is_taken_and_its_host_wins(environ_of):
    environ = environ_of(b"GET HTTP://drive.example:8080/a?b HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (environ["davserver.path"], environ["HTTP_HOST"]) == ("/a", "drive.example:8080")


def test_absolute_form_without_a_path_is_the_root(environ_of):
    environ = environ_of(b"GET http://drive.example?b HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (environ["davserver.path"], environ["QUERY_STRING"]) == ("/", "b")


def test_a_path_that_begins_with_two_slashes_is_no_host(environ_of):
    environ = environ_of(b"GET //evil/a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (environ["davserver.path"], environ["HTTP_HOST"]) == ("/evil/a", "a")


def test_options_of_the_whole_server_is_taken(environ_of):
    assert environ_of(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")["davserver.path"] == "*"


@pytest.mark.parametrize(
    "line",
    ["GET *", "CONNECT a:443", "GET ftp://a/", "GET http:///a", "GET http://u@a/", "GET a"],
)
def test_other_forms_of_target_are_refused(server, line):
    assert server.ask(f"{line} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).status == 400
