"""What is counted, and that all workers' counts come together."""

import os

from davserver.http.metrics import Board, Meter, metrics_text

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def test_requests_are_counted_by_method_and_status(server):
    server.ask(GET)
    name = 'davserver_http_requests_total{method="GET",status="200"}'
    assert server.eventually(lambda: server.metric(name) == 1.0)


def test_latency_is_counted_once_for_each_request(server):
    server.ask(GET)
    assert server.eventually(lambda: server.metric("davserver_http_request_seconds_count") == 1.0)


def test_bytes_are_counted_both_ways(server):
    server.ask(GET)
    server.eventually(lambda: server.metric("davserver_http_sent_bytes_total") > 100)
    assert server.metric("davserver_http_received_bytes_total") == len(GET)


def test_refusals_are_counted_by_reason(server):
    server.ask(b"nonsense\r\n\r\n")
    name = 'davserver_http_refusals_total{reason="malformed"}'
    assert server.eventually(lambda: server.metric(name) == 1.0)


def test_a_method_that_a_client_made_up_gets_no_label_of_its_own(server):
    server.ask(b"EVIL / HTTP/1.1\r\nHost: a\r\n\r\n")
    name = 'davserver_http_requests_total{method="OTHER",status="200"}'
    assert server.eventually(lambda: server.metric(name) == 1.0)


def test_open_connections_are_shown(server):
    server.connect().send(GET).reply()
    assert server.eventually(lambda: server.metric("davserver_http_connections") == 1.0)


def test_waiting_requests_are_shown_when_no_worker_is_free(serve):
    import threading

    release = threading.Event()

    def app(environ, start_response):
        release.wait(10)
        start_response("204 No Content", [])
        return []

    server = serve(app, threads=1, max_threads=1)
    for _ in range(4):
        server.connect().send(GET)
    try:
        assert server.eventually(lambda: server.metric("davserver_http_queue") == 3.0)
    finally:
        release.set()


def test_the_counts_of_forked_workers_come_together():
    board = Board(2)
    child = os.fork()
    if child == 0:
        Meter(board.slot(1)).served("GET", 200, 0.001, 1, 2)
        os._exit(0)
    os.waitpid(child, 0)
    Meter(board.slot(0)).served("GET", 200, 0.001, 1, 2)
    assert b'{method="GET",status="200"} 2.0' in metrics_text(board)


def test_a_worker_in_a_dead_ones_place_goes_on_counting():
    board = Board(1)
    for _ in range(2):
        meter = Meter(board.slot(0))
        meter.served("GET", 200, 0.001, 1, 2)
        meter.gauge("connections", 5)
    board.slot(0)
    text = metrics_text(board)
    assert b'{method="GET",status="200"} 2.0' in text
    assert b"davserver_http_connections 0.0" in text
