"""Who the client is, and that nobody but our proxy may say so."""

import pytest

from davserver.http.proxies import TrustedProxies, plain_address

SPOOFED = (
    b"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
    b"Forwarded: for=9.9.9.9;proto=https;host=evil\r\nX-Real-IP: 9.9.9.9\r\n"
    b"X_Forwarded_For: 9.9.9.9\r\n"
)


@pytest.fixture
def seen(serve):
    """Return what the application sees of a request with these headers."""

    def ask(headers, **settings):
        environs = []

        def app(environ, start_response):
            environs.append(environ)
            start_response("204 No Content", [])
            return []

        request = b"GET / HTTP/1.1\r\nHost: drive\r\n" + headers + b"\r\n"
        assert serve(app, **settings).ask(request).status == 204
        return environs[0]

    return ask


def shown(environ):
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]


def test_a_stranger_says_nothing_about_the_client(seen):
    assert shown(seen(SPOOFED)) == ("127.0.0.1", "http", "drive")


@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",)])
def test_the_application_never_sees_the_headers(seen, proxies):
    environ = seen(SPOOFED, trusted_proxies=proxies)
    assert not [key for key in environ if "FORWARDED" in key or "REAL_IP" in key]


def test_a_trusted_proxy_says_who_the_client_is(seen):
    environ = seen(SPOOFED, trusted_proxies=("127.0.0.0/8",))
    assert shown(environ) == ("9.9.9.9", "https", "evil")


def test_the_peer_itself_stays_known(seen):
    assert seen(SPOOFED, trusted_proxies=("127.0.0.1",))["davserver.peer"] == "127.0.0.1"


def test_only_the_family_that_the_proxy_writes_is_believed(seen):
    headers = b"X-Forwarded-For: 8.8.8.8\r\nForwarded: for=7.7.7.7\r\n"
    for family, address in (("x-forwarded", "8.8.8.8"), ("forwarded", "7.7.7.7")):
        environ = seen(headers, trusted_proxies=("127.0.0.1",), forwarded_header=family)
        assert environ["REMOTE_ADDR"] == address


def test_what_the_client_put_before_the_proxys_entry_is_ignored(seen):
    headers = b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 8.8.8.8\r\n"
    assert seen(headers, trusted_proxies=("127.0.0.1",))["REMOTE_ADDR"] == "8.8.8.8"


def test_a_chain_of_our_proxies_is_walked_to_the_first_stranger(seen):
    headers = b"X-Forwarded-For: 1.1.1.1, 8.8.8.8, 10.0.0.2, 10.0.0.1\r\n"
    environ = seen(headers, trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
    assert environ["REMOTE_ADDR"] == "8.8.8.8"


@pytest.mark.parametrize("value", ["nonsense", "unknown", "", "8.8.8.8, unknown", "1.1.1.1\tx"])
def test_an_unreadable_hop_leaves_the_proxy_as_the_client(seen, value):
    headers = f"X-Forwarded-For: {value}\r\n".encode()
    assert seen(headers, trusted_proxies=("127.0.0.1",))["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("line", ["X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b/c"])
def test_nonsense_from_the_proxy_changes_nothing(seen, line):
    environ = seen(f"{line}\r\n".encode(), trusted_proxies=("127.0.0.1",))
    assert shown(environ) == ("127.0.0.1", "http", "drive")


def test_the_proxys_tls_earns_the_promise_of_tls(replying):
    server = replying(trusted_proxies=("127.0.0.1",))
    reply = server.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert reply.has("strict-transport-security")


def test_forwarded_is_read_as_rfc_7239_writes_it():
    proxies = TrustedProxies(["10.0.0.1"], "forwarded")
    said = proxies.read(
        {"HTTP_FORWARDED": 'for=1.1.1.1, For="[2001:db8::1]:4711";proto=HTTPS;host="a.example:8"'}
    )
    assert tuple(said) == ("2001:db8::1", "https", "a.example:8")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"), ("1.2.3.4:80", "1.2.3.4"), ("[::1]:80", "::1"), ("::1", "::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"), ("_hidden", None), ("", None), ("1.2.3", None),
    ],
)  # fmt: skip
def test_addresses_are_compared_without_their_dress(text, address):
    assert plain_address(text) == address


def test_a_unix_peer_is_believed_only_when_configured(serve, tmp_path):
    seen = []

    def app(environ, start_response):
        seen.append(environ["REMOTE_ADDR"])
        start_response("204 No Content", [])
        return []

    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n"
    serve(app, host=f"unix:{tmp_path}/a").ask(request)
    serve(app, host=f"unix:{tmp_path}/b", trusted_proxies=("unix",)).ask(request)
    assert seen == ["127.0.0.1", "8.8.8.8"]
