"""Many peers at once: none of them may take the service from the others."""

import socket
import threading

import pytest

from davserver.http.connections import network_of
from tests.made_certificates import make_certificate

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\n"


def test_a_hundred_silent_connections_stop_nobody(serve):
    server = serve(threads=2, max_threads=2, connections_per_address=200)
    peers = [server.connect() for _ in range(100)]
    assert len(peers) == 100
    assert server.ask(GET).status == 200


def test_a_hundred_half_sent_heads_stop_nobody(serve):
    server = serve(threads=2, max_threads=2, connections_per_address=200)
    for _ in range(100):
        server.connect().send(GET[:-3])
    assert server.ask(GET).status == 200


def test_a_hundred_half_sent_bodies_stop_nobody(serve):
    server = serve(threads=2, max_threads=128, connections_per_address=200)
    for _ in range(100):
        server.connect().send(PUT + b"Content-Length: 1000\r\n\r\nhello")
    assert server.ask(GET).status == 200


def test_half_sent_bodies_give_way_when_no_thread_is_left(serve):
    server = serve(threads=2, max_threads=4, connections_per_address=200, body_timeout_seconds=60)
    for _ in range(12):
        server.connect().send(PUT + b"Content-Length: 1000\r\n\r\nhello")
    assert server.ask(GET).status == 200


def test_half_sent_bodies_before_sign_in_hold_no_thread(replying):
    server = replying("401 Unauthorized", threads=1, max_threads=1, connections_per_address=200)
    for _ in range(50):
        server.connect().send(PUT + b"Content-Length: 100000\r\n\r\nhello")
    assert server.ask(GET).status == 401


def test_readers_that_stop_are_made_up_for(serve):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * (8_000_000 if environ["PATH_INFO"] == "/large" else 1)]

    server = serve(app, threads=2, max_threads=64)
    for _ in range(20):
        server.connect().send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").head()
    assert server.ask(GET).body == b"x"


def test_an_application_that_hangs_is_made_up_for(serve):
    release = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/hang":
            release.wait(10)
        start_response("200 OK", [])
        return [b"x"]

    server = serve(app, threads=2, max_threads=16)
    hung = [server.connect().send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(8)]
    assert server.ask(GET).body == b"x"
    release.set()
    assert [peer.reply().status for peer in hung] == [200] * 8


def test_requests_that_wait_for_a_database_get_more_threads(serve):
    database = threading.Event()  # never set: each request waits its moment

    def app(environ, start_response):
        database.wait(0.005)
        start_response("204 No Content", [])
        return []

    server = serve(app, threads=2, max_threads=32)
    stop = threading.Event()

    def client():
        peer = server.connect()
        while not stop.is_set():
            peer.send(GET).reply()

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        assert server.eventually(lambda: server.server.requests.size >= 6)
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def test_one_that_pipelines_without_end_does_not_keep_the_only_worker(serve):
    server = serve(threads=1, max_threads=1)
    stop = threading.Event()
    greedy = server.connect()

    def pipeline():
        while not stop.is_set():
            greedy.send_as_far_as_it_goes(GET * 50)
            greedy.sock.recv(1_000_000)

    thread = threading.Thread(target=pipeline)
    thread.start()
    try:
        assert [server.ask(GET).status for _ in range(5)] == [200] * 5
    finally:
        stop.set()
        thread.join(10)


def test_one_address_has_so_many_connections_and_no_more(serve):
    server = serve(connections_per_address=3)
    kept = [server.connect().send(GET) for _ in range(3)]
    assert [peer.reply().status for peer in kept] == [200] * 3
    late = server.connect()
    reply = late.reply()
    assert (reply.status, reply["retry-after"], late.is_closed()) == (503, "5", True)


def test_a_closed_connection_makes_room_for_its_address(serve):
    server = serve(connections_per_address=1)
    peer = server.connect().send(GET)
    peer.reply()
    peer.sock.close()
    server.eventually(lambda: server.server.connections._num_connections == 0)
    assert server.ask(GET).status == 200


def test_another_address_has_its_own_share(serve):
    server = serve(connections_per_address=1)
    server.ask(GET)
    assert server.connect(source="127.0.0.2").send(GET).reply().status == 200


def test_the_proxy_is_not_held_to_one_clients_share(serve):
    server = serve(connections_per_address=1, trusted_proxies=("127.0.0.1",))
    assert [server.ask(GET).status for _ in range(3)] == [200] * 3


def test_all_together_have_a_limit_too(serve):
    server = serve(max_connections=2, trusted_proxies=("127.0.0.1",))
    kept = [server.connect().send(GET) for _ in range(2)]
    assert [peer.reply().status for peer in kept] == [200] * 2
    assert server.connect().reply().status == 503


def test_many_clients_at_once_all_get_their_own_answer(server):
    wrong = []

    def client(number):
        peer = server.connect()
        for turn in range(50):
            body = f"{number}-{turn}".encode()
            peer.send(PUT + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            if peer.reply().body != b"PUT /a " + body:
                wrong.append(body)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


@pytest.mark.parametrize("count", [1, 3])
def test_spare_threads_go_home(serve, count, monkeypatch):
    monkeypatch.setattr("davserver.http.pool._SPARE_SECONDS", 0.1)
    server = serve(threads=count, max_threads=20)
    server.server.requests.grow(10)
    assert server.eventually(lambda: server.server.requests.size == count)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("unix", "unix"),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_network(address, network):
    assert network_of(address) == network


@pytest.fixture
def on_ipv6(serve):
    """Start a server on IPv6's loopback, where there is one."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    return lambda **settings: serve(host="::1", **settings)


def test_ipv6_is_served(on_ipv6):
    assert on_ipv6().ask(GET).status == 200


def test_the_share_of_one_client_holds_on_ipv6_too(on_ipv6):
    server = on_ipv6(connections_per_address=1)
    server.connect()
    assert server.connect().reply().status == 503


def test_silence_before_a_handshake_is_no_offence(serve, tmp_path):
    certificate, key = make_certificate(tmp_path, hosts=("127.0.0.1",))
    server = serve(tls_certificate=certificate, tls_key=key, header_timeout_seconds=0.2)
    assert server.connect().is_closed()
    assert server.metric('davserver_http_refusals_total{reason="tls"}') == 0.0
