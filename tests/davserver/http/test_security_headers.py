"""T37: every response is sealed, in the way that fits it."""

import pytest

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
NAMES = [
    "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "Content-Security-Policy",
    "Cross-Origin-Resource-Policy", "Date", "Server",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "status", ["200 OK", "204 No Content", "207 Multi-Status", "404 Not Found"]
)
def test_every_response_carries_them(replying, status, name):
    assert replying(status).ask(GET)[name]


@pytest.mark.parametrize("name", NAMES)
def test_refusals_carry_them(server, name):
    assert server.ask(b"nonsense\r\n\r\n")[name]


@pytest.mark.parametrize("name", NAMES)
def test_failures_carry_them(serve, name):
    assert serve(lambda environ, start_response: 1 / 0).ask(GET)[name]


def test_what_is_no_page_is_sandboxed(replying):
    reply = replying(headers=[("Content-Type", "application/xml")]).ask(GET)
    assert "sandbox" in reply["content-security-policy"]


def test_a_page_may_use_its_own_origin(replying):
    reply = replying(headers=[("Content-Type", "text/HTML; charset=utf-8")]).ask(GET)
    assert "script-src 'self'" in reply["content-security-policy"]


@pytest.mark.parametrize("name", NAMES[:-1])
def test_what_the_application_says_wins(replying, name):
    reply = replying(headers=[(name.lower(), "chosen")]).ask(GET)
    assert reply[name] == "chosen"


def test_the_server_names_itself_and_nothing_more(replying):
    assert replying(headers=[("Server", "Secret/1.2.3")]).ask(GET)["server"] == "davserver"


def test_plain_http_promises_no_tls(replying):
    assert not replying().ask(GET).has("strict-transport-security")


REFUSALS = {
    400: b"GET / HTTP/1.1\r\n\r\n",
    408: b"GET / HTTP/1.1\r\nHost:",
    413: b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n",
    414: b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    417: b"GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n",
    431: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2000 + b"\r\n\r\n",
    505: b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_every_page_of_the_floor_carries_them(serve, status):
    server = serve(
        header_timeout_seconds=0.3,
        max_body_bytes=9,
        max_request_line_bytes=1024,
        max_header_bytes=1024,
    )
    reply = server.ask(REFUSALS[status])
    assert (reply.status, [name for name in NAMES if not reply.has(name)]) == (status, [])


def test_a_connection_that_is_turned_away_gets_them_too(serve):
    server = serve(connections_per_address=1)
    server.connect()
    reply = server.connect().reply()
    assert (reply.status, [name for name in NAMES if not reply.has(name)]) == (503, [])
