"""The rooms for machines, and who the client is, through the whole server."""

import re

import pytest

from tests.running_server import eventually, serving

PROXY = "127.0.0.2"
CLIENT = "203.0.113.9"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Two workers, and a proxy that they believe."""
    with serving(
        tmp_path_factory.mktemp("front"),
        DAVSERVER_SERVER__WORKERS="2",
        DAVSERVER_SERVER__TRUSTED_PROXIES=PROXY,
    ) as server:
        yield server


def metric(server, line_start):
    text = server.ask("/metrics").body.decode()
    found = re.search(rf"^{re.escape(line_start)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def logged(server, request_id):
    """The one access line of a request, which follows its answer."""

    def found():
        return [e for e in server.events if e["request_id"] == request_id]

    eventually(found)
    [event] = found()
    return event


# --- /metrics -------------------------------------------------------------------------------


def test_metrics_sum_over_the_workers(server):
    name = 'davserver_http_requests_total{method="HEAD",status="200"}'
    before = metric(server, name)
    for _ in range(30):
        server.ask("/healthz", method="HEAD")
    assert eventually(lambda: metric(server, name) == before + 30)


def test_metrics_are_in_prometheus_s_format(server):
    assert server.ask("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("name", ["connections", "queue", "threads"])
def test_metrics_show_what_is_open(server, name):
    assert f"\ndavserver_http_{name} " in server.ask("/metrics").body.decode()


def test_every_refusal_has_a_reason_in_the_metrics(server):
    name = 'davserver_http_refusals_total{reason="target"}'
    before = metric(server, name)
    server.ask("/%00")
    assert eventually(lambda: metric(server, name) == before + 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "http"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Forwarded-For": CLIENT},
    ],
    ids=str,
)
@pytest.mark.parametrize("source", ["127.0.0.1", PROXY])
def test_who_came_through_a_proxy_reads_no_metrics(server, headers, source):
    assert server.ask("/metrics", source=source, **headers).status == 404


def test_metrics_can_be_off(tmp_path):
    with serving(tmp_path, DAVSERVER_SERVER__METRICS="off") as server:
        assert server.ask("/metrics").status == 404


# --- Who the client is ----------------------------------------------------------------------


def test_a_trusted_proxy_names_the_client_in_the_log(server):
    answer = server.ask("/healthz", source=PROXY, **{"X-Forwarded-For": f"1.1.1.1, {CLIENT}"})
    assert logged(server, answer.headers["X-Request-Id"])["address"] == CLIENT


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "X_Forwarded_For"])
def test_a_stranger_names_nobody_in_the_log(server, name):
    answer = server.ask("/healthz", **{name: CLIENT})
    assert logged(server, answer.headers["X-Request-Id"])["address"] == "127.0.0.1"


def test_a_refused_client_is_named_in_the_log(server):
    answer = server.ask("/%00", source=PROXY, **{"X-Forwarded-For": CLIENT})
    event = logged(server, answer.headers["X-Request-Id"])
    assert (event["event"], event["reason"], event["address"]) == ("refused", "target", CLIENT)


def test_plain_http_promises_no_tls(server):
    assert "Strict-Transport-Security" not in server.ask("/").headers


def test_the_proxy_s_tls_earns_the_promise(server):
    answer = server.ask("/", source=PROXY, **{"X-Forwarded-Proto": "https"})
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")


def test_a_stranger_s_word_of_tls_earns_nothing(server):
    answer = server.ask("/", **{"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" not in answer.headers
