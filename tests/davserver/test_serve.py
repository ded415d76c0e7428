import contextlib
import json
import signal
import socket

import pytest

from tests.made_certificates import make_certificate
from tests.running_server import STOP_SECONDS, ask_on, eventually, serving, starting

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served")) as server:
        yield server


def asked_until(server, wanted, **parts):
    """The first answer with this status, and these states; each worker's holds for a moment."""
    found = []

    def is_so():
        found.append(server.ask("/readyz"))
        states = json.loads(found[-1].body)
        return found[-1].status == wanted and states | parts == states

    eventually(is_so)
    return found[-1]


# --- What is answered -----------------------------------------------------------------------


def test_a_living_process_says_so(server):
    answer = server.ask("/healthz")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "alive"})


def test_a_ready_server_says_what_answers(server):
    answer = asked_until(server, 200)
    assert json.loads(answer.body) == {"status": "ready", "database": "ok", "blobs": "ok"}


def test_the_start_page_is_readable(server):
    answer = server.ask("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/nothing", "/healthz/", "/healthz/../x"])
def test_what_is_not_there_is_404(server, path):
    assert server.ask(path).status == 404


@pytest.mark.parametrize("path", ["/%00", "/%2e%2e/etc", "/a%2Fb", "/%ff", "/a%0d%0ab"])
def test_what_can_name_nothing_is_400(server, path):
    assert server.ask(path).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"])
def test_another_method_is_405_and_the_right_ones_are_named(server, method):
    answer = server.ask("/healthz", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing"])
def test_head_is_get_without_the_body(server, path):
    get, head = server.ask(path), server.ask(path, method="HEAD")
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/readyz"), ("HEAD", "/"), ("GET", "/nothing"), ("POST", "/")],
)
def test_every_answer_keeps_browsers_on_a_short_leash(server, method, path):
    headers = server.ask(path, method=method).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_no_answer_tells_which_software_in_which_version_it_is(server):
    assert server.ask("/").headers["Server"] == "davserver"


def test_every_answer_carries_an_id_of_its_own(server):
    ids = {server.ask("/").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


def test_a_client_does_not_choose_the_id(server):
    assert server.ask("/", **{"X-Request-Id": "chosen"}).headers["X-Request-Id"] != "chosen"


# --- What is away ---------------------------------------------------------------------------


@contextlib.contextmanager
def taken_away(path):
    away = path.with_name(path.name + "-away")
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


@pytest.mark.parametrize(
    ("part", "path"), [("database", "data/davserver.db"), ("blobs", "data/blobs")]
)
def test_a_part_that_goes_away_and_comes_back_is_noticed(server, part, path):
    states = {"status": "not ready", "database": "ok", "blobs": "ok"} | {part: "away"}
    with taken_away(server.folder / path):
        answer = asked_until(server, 503, **states)
    assert json.loads(answer.body) == states
    assert asked_until(server, 200)


def test_a_server_that_is_not_ready_lives(server):
    with taken_away(server.folder / "data"):
        assert server.ask("/healthz").status == 200


def test_what_is_away_is_logged_with_the_id_of_the_request(server):
    asked_until(server, 200)
    ids = set()

    def told():
        ids.add(server.ask("/readyz").headers["X-Request-Id"])
        return [event for event in server.events if "blobs is not ready: " in event["event"]]

    known = len(told())
    with taken_away(server.folder / "data/blobs"):
        eventually(lambda: len(told()) > known)
    assert told()[-1]["request_id"] in ids


def test_what_is_away_tells_a_stranger_nothing_of_the_inside(server):
    with taken_away(server.folder / "data"):
        answer = asked_until(server, 503, database="away", blobs="away")
    assert json.loads(answer.body) == {
        "status": "not ready",
        "database": "away",
        "blobs": "away",
    }


# --- Starting and stopping ------------------------------------------------------------------


def test_told_to_end_it_ends_well(tmp_path):
    with serving(tmp_path) as server:
        assert server.stop() == 0
    assert server.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_told_again_and_again_it_still_ends_well(tmp_path, number):
    with serving(tmp_path) as server:
        for _ in range(5):
            server.process.send_signal(number)
        assert server.process.wait(timeout=STOP_SECONDS) == 0
    assert server.stderr == ""


def test_an_open_connection_does_not_keep_it_from_ending(tmp_path):
    with serving(tmp_path) as server, contextlib.closing(server.connect()) as connection:
        assert ask_on(connection, "/healthz").status == 200
        assert server.stop() == 0


def test_a_half_sent_request_does_not_keep_it_from_ending(tmp_path):
    with serving(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert server.ask("/healthz").status == 200
        assert server.stop() == 0


def test_after_the_end_nothing_listens(tmp_path):
    with serving(tmp_path) as server:
        port = server.port
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_port_that_is_taken_is_one_sentence(server, tmp_path):
    port = server.port
    with starting(tmp_path, DAVSERVER_SERVER__PORT=str(port)) as late:
        assert not late.wait_until_ready()
        assert late.process.wait(timeout=60) == 1
    assert late.stdout == ""
    assert late.stderr == (
        f"davserver: Port {port} of 127.0.0.1 can't be listened on: another program may have it. "
        "Stop that one, or set [server] port.\n"
    )


def test_ready_is_said_once_and_the_descriptor_closed(tmp_path):
    with starting(tmp_path) as server:
        assert server.wait_until_ready()
        assert not server.wait_until_ready()  # the end of the pipe, not a second line
        assert server.ask("/healthz").status == 200


def test_the_environment_may_name_the_configuration(tmp_path):
    config = tmp_path / "elsewhere.toml"
    config.write_text('[database]\nurl = "sqlite:///named/davserver.db"\n')
    with serving(tmp_path, DAVSERVER_CONFIG=str(config)):
        assert (tmp_path / "named" / "davserver.db").is_file()


def test_the_public_address_is_the_one_that_is_printed(tmp_path):
    with starting(tmp_path, DAVSERVER_SERVER__PUBLIC_URL="https://drive.example.org") as server:
        assert server.wait_until_ready()
    assert "davserver answers at https://drive.example.org/ " in server.stdout


# --- TLS ------------------------------------------------------------------------------------


def tls_variables(certificate, key):
    return {
        "DAVSERVER_SERVER__TLS_CERTIFICATE": str(certificate),
        "DAVSERVER_SERVER__TLS_KEY": str(key),
    }


def test_a_certificate_is_served(tmp_path):
    certificate, key = make_certificate(tmp_path, hosts=("127.0.0.1",))
    with serving(tmp_path, trusted=certificate, **tls_variables(certificate, key)) as server:
        assert "https://127.0.0.1:" in server.stdout
        assert server.ask("/healthz").status == 200
        assert server.stop() == 0


@pytest.mark.parametrize("kind", ["missing", "mismatched", "with a password"])
def test_a_certificate_that_can_not_be_served_is_one_sentence(tmp_path, kind):
    certificate, key = make_certificate(
        tmp_path, password=b"planted" if kind == "with a password" else None
    )
    if kind == "missing":
        key.unlink()
    if kind == "mismatched":
        _, key = make_certificate(tmp_path, name="other")
    with starting(tmp_path, **tls_variables(certificate, key)) as server:
        assert server.process.wait(timeout=60) == 1
    assert server.stderr.startswith("davserver: ")
    assert len(server.stderr.splitlines()) == 1
    assert str(key) in server.stderr


def test_what_the_framework_has_to_say_goes_to_the_log(tmp_path):
    certificate, key = make_certificate(tmp_path, hosts=("127.0.0.1",))
    variables = tls_variables(certificate, key) | {"DAVSERVER_LOG__LEVEL": "debug"}
    with serving(tmp_path, trusted=certificate, **variables) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                peer.recv(1024)
        server.stop()
    assert all(json.loads(line)["level"] for line in server.stderr.splitlines())
