"""Starting on a given socket, and stopping without losing anybody's work."""

import threading

import pytest

from davserver.http.listening import open_listener
from storage.sections import ServerConfig

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def held(serve):
    """Start an application that waits in the middle of a request until it is released."""
    begun, release = threading.Event(), threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/hold":
            begun.set()
            release.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    def start(**settings):
        server = serve(app, **settings)
        peer = server.connect().send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(10)
        return server, peer

    yield start, release
    release.set()


def test_a_worker_serves_on_the_socket_it_was_given(serve):
    listener = open_listener(ServerConfig(port=0))
    port = listener.getsockname()[1]
    server = serve(listener=listener)
    assert (server.port, server.ask(GET).status) == (port, 200)


def test_two_workers_share_a_port(serve):
    first = open_listener(ServerConfig(port=0), reuse_port=True)
    port = first.getsockname()[1]
    second = open_listener(ServerConfig(port=port), reuse_port=True)
    servers = [serve(listener=first), serve(listener=second)]
    assert [servers[0].ask(GET).status for _ in range(20)] == [200] * 20


def test_a_request_under_way_is_finished_at_a_stop(held):
    start, release = held
    server, peer = start(grace_seconds=10)
    server.server.request_stop()
    release.set()
    assert peer.reply().body == b"done"


def test_the_last_reply_says_that_the_connection_closes(held):
    start, release = held
    server, peer = start(grace_seconds=10)
    server.server.request_stop()
    release.set()
    assert (peer.reply()["connection"], peer.is_closed()) == ("close", True)


def test_idle_connections_close_at_once(held):
    start, _ = held
    server, _ = start(grace_seconds=10)
    idle = server.connect().send(GET)
    assert idle.reply().status == 200
    server.server.request_stop()
    assert idle.is_closed()


def test_no_new_connection_is_taken(held):
    start, _ = held
    server, _ = start(grace_seconds=10)
    server.server.request_stop()

    def is_refused():
        try:
            server.connect()
        except ConnectionRefusedError:
            return True
        return False

    assert server.eventually(is_refused)


def test_the_grace_period_ends(held):
    start, _ = held
    server, peer = start(grace_seconds=0.2)
    server.server.stop()
    assert peer.is_closed()


def test_stopping_twice_is_no_mistake(serve):
    server = serve()
    server.server.stop()
    server.server.stop()
    server.thread.join(10)
    assert not server.thread.is_alive()


def test_no_thread_stays_behind(serve):
    server = serve(threads=3)
    server.ask(GET)
    workers = server.server.requests.workers
    server.server.stop()
    assert [worker.is_alive() for worker in workers] == [False] * 3
