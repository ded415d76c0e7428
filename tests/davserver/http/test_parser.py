"""What the request's head may look like, and that everything else ends the connection."""

import pytest

from davserver.http.parser import parse_head
from davserver.http.refusals import Refused

LINE = b"GET / HTTP/1.1\r\nHost: a\r\n"

REFUSED = {
    "duplicate-content-length": LINE + b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "differing-content-lengths": LINE + b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "listed-content-length": LINE + b"Content-Length: 5, 5\r\n",
    "plus-content-length": LINE + b"Content-Length: +5\r\n",
    "minus-content-length": LINE + b"Content-Length: -1\r\n",
    "underscored-number": LINE + b"Content-Length: 0_5\r\n",
    "hex-content-length": LINE + b"Content-Length: 0x5\r\n",
    "empty-content-length": LINE + b"Content-Length:\r\n",
    "other-digits": LINE + "Content-Length: ²\r\n".encode("latin-1"),
    "length-and-coding": LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "unknown-coding": LINE + b"Transfer-Encoding: gzip, chunked\r\n",
    "chunked-twice": LINE + b"Transfer-Encoding: chunked, chunked\r\n",
    "two-codings": LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "identity-coding": LINE + b"Transfer-Encoding: identity\r\n",
    "almost-chunked": LINE + b"Transfer-Encoding: xchunked\r\n",
    "chunked-with-tab-inside": LINE + b"Transfer-Encoding: \x0bchunked\r\n",
    "coding-in-1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
    "space-before-colon": LINE + b"Content-Length : 5\r\n",
    "tab-before-colon": LINE + b"X\t: 5\r\n",
    "empty-name": LINE + b": x\r\n",
    "no-colon": LINE + b"nonsense\r\n",
    "name-with-space": LINE + b"a b: x\r\n",
    "name-with-high-byte": LINE + b"a\xe9: x\r\n",
    "name-with-slash": LINE + b"a/b: x\r\n",
    "nul-in-value": LINE + b"X: a\0b\r\n",
    "cr-in-value": LINE + b"X: a\rb\r\n",
    "lf-in-value": LINE + b"X: a\nb: c\r\n",
    "vertical-tab": LINE + b"X: \x0ba\r\n",
    "delete-character": LINE + b"X: a\x7f\r\n",
    "fold-by-space": LINE + b"X: a\r\n b\r\n",
    "fold-by-tab": LINE + b"X: a\r\n\tb\r\n",
    "fold-first": b"GET / HTTP/1.1\r\n Host: a\r\n",
    "no-host": b"GET / HTTP/1.1\r\n",
    "two-hosts": LINE + b"Host: a\r\n",
    "empty-host": b"GET / HTTP/1.1\r\nHost:\r\n",
    "host-with-path": b"GET / HTTP/1.1\r\nHost: a/b\r\n",
    "host-with-user": b"GET / HTTP/1.1\r\nHost: u@a\r\n",
    "host-list": b"GET / HTTP/1.1\r\nHost: a, b\r\n",
    "space-after-version": b"GET / HTTP/1.1 \r\nHost: a\r\n",
    "two-spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n",
    "space-first": b" GET / HTTP/1.1\r\nHost: a\r\n",
    "tab-between": b"GET\t/ HTTP/1.1\r\nHost: a\r\n",
    "lower-case-version": b"GET / http/1.1\r\nHost: a\r\n",
    "version-0.9": b"GET /\r\nHost: a\r\n",
    "long-version": b"GET / HTTP/1.10\r\nHost: a\r\n",
    "leading-zero-version": b"GET / HTTP/01.1\r\nHost: a\r\n",
    "bad-method": b"G(T / HTTP/1.1\r\nHost: a\r\n",
    "raw-utf8-target": "GET /ä HTTP/1.1\r\nHost: a\r\n".encode(),
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n",
}
SINGLE = [
    "If", "Destination", "Depth", "Overwrite", "Authorization", "Range", "Content-Type",
    "Lock-Token", "Timeout", "If-Range", "If-Modified-Since", "User-Agent", "Expect",
]  # fmt: skip


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED)
def test_a_malformed_head_is_answered_400_and_the_connection_closes(server, head):
    peer = server.connect().send(head + b"\r\n")
    assert peer.reply().status == 400
    assert peer.is_closed()


@pytest.mark.parametrize("name", SINGLE)
def test_a_repeated_single_valued_header_is_refused(server, name):
    lines = f"{name}: 100-continue\r\n{name.lower()}: 100-continue\r\n".encode()
    assert server.ask(LINE + lines + b"\r\n").status == 400


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/1.2", "HTTP/3.0"])
def test_another_version_of_http_is_named_as_such(server, version):
    assert server.ask(f"GET / {version}\r\nHost: a\r\n\r\n".encode()).status == 505


def test_repeated_list_headers_are_joined():
    environ = {}
    parse_head(LINE + b"If-Match: a\r\nif-match: b", environ, 100)
    assert environ["HTTP_IF_MATCH"] == "a, b"


def test_repeated_cookies_are_joined_as_cookies():
    environ = {}
    parse_head(LINE + b"Cookie: a=1\r\nCookie: b=2", environ, 100)
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize("name", ["Content_Length", "X_Forwarded_For", "Remote_User", "_"])
def test_names_with_underscores_never_reach_the_application(name):
    environ = {}
    parse_head(LINE + f"{name}: 5".encode(), environ, 100)
    assert list(environ) == ["HTTP_HOST"]


def test_the_proxy_header_never_reaches_the_application():
    environ = {}
    parse_head(LINE + b"Proxy: http://evil", environ, 100)
    assert "HTTP_PROXY" not in environ


def test_blanks_around_a_value_are_cut_and_others_kept():
    environ = {}
    parse_head(LINE + b"X: \t a\tb  ", environ, 100)
    assert environ["HTTP_X"] == "a\tb"


def test_obs_text_in_a_value_survives_as_latin_1():
    environ = {}
    parse_head(LINE + b"X: \xc3\xa4", environ, 100)
    assert environ["HTTP_X"].encode("latin-1") == b"\xc3\xa4"


@pytest.mark.parametrize(
    ("value", "keeps"),
    [("close", False), ("Close", False), ("keep-alive, CLOSE", False), ("TE", True)],
)
def test_connection_options_are_a_list_in_any_case(value, keeps):
    head = parse_head(LINE + f"Connection: {value}".encode(), {}, 100)
    assert head.keeps_alive is keeps


def test_http_1_0_stays_open_only_when_asked():
    assert not parse_head(b"GET / HTTP/1.0", {}, 100).keeps_alive
    assert parse_head(b"GET / HTTP/1.0\r\nConnection: Keep-Alive", {}, 100).keeps_alive


def test_a_length_beyond_any_file_is_too_large():
    with pytest.raises(Refused) as caught:
        parse_head(LINE + b"Content-Length: 9999999999999999999", {}, 100)
    assert caught.value.status == 413


def test_a_long_request_line_is_414(server):
    assert server.ask(b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n").status == 414


def test_an_endless_request_line_is_414_before_it_ends(server):
    assert server.connect().send(b"GET /" + b"a" * 40_000).reply().status == 414


def test_long_headers_are_431(server):
    assert server.ask(LINE + b"X: " + b"a" * 40_000 + b"\r\n\r\n").status == 431


def test_endless_headers_are_431_before_they_end(server):
    assert server.connect().send(LINE + b"X: a\r\n" * 8_000).reply().status == 431


def test_too_many_headers_are_431(server):
    assert server.ask(LINE + b"X: a\r\n" * 200 + b"\r\n").status == 431


def test_headers_just_below_the_limit_pass(server):
    assert server.ask(LINE + b"X: " + b"a" * 32_000 + b"\r\n\r\n").status == 200


def test_lines_that_end_in_lf_alone_are_refused_at_once(server):
    assert server.connect().send(b"GET / HTTP/1.1\nHost: a\n\n").reply().status == 400


def test_what_is_no_http_is_refused_at_once(server):
    assert server.connect().send(b"\x16\x03\x01\x02\x00").reply().status == 400


def test_one_blank_line_before_a_request_is_forgiven(server):
    assert server.ask(b"\r\n" + LINE + b"\r\n").status == 200


def test_several_blank_lines_are_not(server):
    assert server.ask(b"\r\n\r\n\r\n" + LINE + b"\r\n").status == 400


def test_a_head_that_arrives_byte_by_byte_is_understood(server):
    peer = server.connect()
    for byte in LINE + b"\r\n":
        peer.send(bytes([byte]))
    assert peer.reply().status == 200


def test_an_unknown_expectation_is_417(server):
    assert server.ask(LINE + b"Expect: a-miracle\r\n\r\n").status == 417
