"""Twenty thousand requests from people who mean no good: no 5xx, no hang, no desync, no growth.

505 is allowed: it is the honest answer to another version of the protocol.
"""

import gc
import logging
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)

# Each hides a request where one reading of the framing sees a body and another sees the next
# request. We read each as a body, or refuse; HIDDEN must never reach the application.
SMUGGLING = [
    POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    POST + LENGTH + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    POST + LENGTH + b"content-length: 0\r\n\r\n" + HIDDEN,
    POST + LENGTH + b"Content_Length: 0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: -0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: 0\x00\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: \xb2\r\n\r\n" + HIDDEN,
    POST + b"Content-Length: 99999999999999999999\r\n\r\n" + HIDDEN,
    POST + LENGTH + b"\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + HIDDEN + b"\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\n\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n1;\nx\r\n0\r\n\r\n" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n1;a=\r" + HIDDEN,
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc0\r\n\r\n" + HIDDEN,
    POST + b"Expect: 100-Continue\r\n" + LENGTH + b"\r\n" + HIDDEN,
    POST + b"Expect: x\r\n" + LENGTH + b"\r\n" + HIDDEN,
    b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    b"POST /a HTTP/1.0\r\n\r\n" + HIDDEN,
    b"POST /a HTTP/1.1\r\n\r\n" + HIDDEN,
    b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + HIDDEN,
    b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + HIDDEN,
    b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n" + HIDDEN,
    b"GET /a HTTP/1.1\r\nHost: a\r\n : y\r\n\r\n" + HIDDEN,
    b"GET /%2e%2e/a HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n" + HIDDEN,
    b"GET /a HTTP/1.1 \r\nHost: a\r\n\r\n" + HIDDEN,
    b"GET /a\r\n\r\n" + HIDDEN,
    b"\x16\x03\x01" + HIDDEN,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
]
HARMLESS = [
    b"GET /a%20b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PROPFIND / HTTP/1.1\r\nHost: a\r\nDepth: 1\r\nContent-Length: 5\r\n\r\n<a/>\n",
    b"MOVE /a HTTP/1.1\r\nHost: a\r\nDestination: /b\r\nOverwrite: T\r\nIf: (<x>)\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nHEAD http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
]
SPICES = [
    b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b",", b";", b"%00", b"%2f", b"..",
    b"\xff", b"0", b"-1", b"+1", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"HTTP/1.1", b"/" * 40,
    b"A" * 3000, b"fffffffffffffff\r\n", b"X_Y: z\r\n",
]  # fmt: skip


@pytest.fixture
def target(serve):
    """Start a server that reads every body, and remember which paths it was asked for."""
    paths = []

    def app(environ, start_response):
        paths.append(environ["davserver.path"])
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("X-Path", environ["PATH_INFO"])])
        return [b"%d" % len(body)]

    server = serve(
        app,
        linger_timeout_seconds=0.5,
        body_timeout_seconds=2,
        header_timeout_seconds=2,
        connections_per_address=100_000,
    )
    return server, paths


def attack(server, request):
    """Send it all, say that nothing follows, and return the statuses of the replies."""
    peer = server.connect()
    server.peers.clear()
    peer.send_as_far_as_it_goes(request)
    with suppress(OSError):  # refused and closed already
        peer.sock.shutdown(1)
    answer = peer.rest()  # fails at its deadline if the server hangs
    peer.sock.close()
    return [int(line[9:12]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def is_acceptable(statuses):
    return all(status < 500 or status == 505 for status in statuses)


def spoil(chance, request):
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(request))
        match chance.randint(0, 3):
            case 0:
                request = request[:at] + chance.choice(SPICES) + request[at:]
            case 1:
                request = request[:at] + request[at + chance.randint(1, 8) :]
            case 2:
                request = request[:at] + bytes([chance.randint(0, 255)]) + request[at + 1 :]
            case 3:
                request = request[:at] + request[at // 2 :]
    return request


def resident_bytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("request_", SMUGGLING, ids=range(len(SMUGGLING)))
def test_a_hidden_request_is_never_executed(target, request_):
    server, paths = target
    statuses = attack(server, request_)
    assert "/smuggled" not in paths
    assert statuses
    assert is_acceptable(statuses)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_fifteen_thousand_spoiled_requests_do_no_harm(target, caplog):
    caplog.set_level(logging.ERROR, "davserver.http.access")  # pytest would keep every line
    server, paths = target
    chance = random.Random(20261120)
    seeds = SMUGGLING + HARMLESS * 8
    warm = 0
    for turn in range(15_000):
        request = spoil(chance, chance.choice(seeds))
        assert is_acceptable(attack(server, request)), request
        if turn == 3000:
            warm = resident_bytes()
        del paths[:]
    assert resident_bytes() - warm < 8_000_000
    assert server.get("/still-here").status == 200
    assert server.eventually(lambda: server.server.connections._num_connections <= 1)


header_text = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=20).map(lambda text: text.encode("latin-1")),
    st.sampled_from(SPICES),
)
names = st.one_of(
    st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Connection"]),
    header_text,
)
requests = st.builds(
    lambda method, path, version, headers, body: (
        method + b" " + path + b" " + version + b"\r\nHost: a\r\n"
        + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body
    ),
    st.one_of(st.sampled_from([b"GET", b"PUT", b"PROPFIND", b"OPTIONS"]), header_text),
    st.one_of(st.just(b"/"), header_text.map(lambda text: b"/" + text)),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b""]),
    st.lists(st.tuples(names, header_text), max_size=5),
    st.one_of(st.binary(max_size=60), st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", HIDDEN])),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_five_thousand_invented_requests_do_no_harm(target):
    server, paths = target

    @settings(
        max_examples=5000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def run(request):
        assert is_acceptable(attack(server, request))
        del paths[:]

    run()
    assert server.get("/still-here").status == 200
