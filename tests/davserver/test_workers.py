"""Several processes on one port: replaced when they die, drained when they are told to end."""

import contextlib
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from davserver.supervisor import Supervisor, _Worker
from storage.certificates import write_self_signed
from storage.clock import monotonic, system_clock
from tests.running_server import (
    STOP_SECONDS,
    ask_on,
    children_of,
    eventually,
    lives,
    program,
    serving,
    starting,
)
from tests.supervised import DOWNLOAD_BYTES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
READY_SECONDS = 30
TWO = {"DAVSERVER_SERVER__WORKERS": "2"}
PAUSE = re.compile(r"worker 0 ended with status 3; another starts in ([0-9.]+) s")


class Supervised:
    """`tests.supervised` as a process of its own."""

    def __init__(self, folder, kind, workers, grace):
        self.log = folder / "supervised.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.supervised", kind, str(workers), str(grace)],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def wait_until_ready(self):
        assert select.select([self.process.stdout], [], [], READY_SECONDS)[0]
        self.port = int(self.process.stdout.readline())

    def connect(self, path="/", head="", buffer_bytes=None):
        """Send a request's head, on a connection of its own."""
        sock = socket.socket()
        if buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        sock.settimeout(READY_SECONDS)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n".encode())
        return sock

    def who_answers(self):
        with contextlib.closing(self.connect()) as sock:
            return int(re.search(rb"X-Worker: (\d+)", everything(sock))[1])

    def refuses_connections(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except ConnectionRefusedError:
            return True
        return False

    @property
    def workers(self):
        return children_of(self.process.pid)

    def end(self):
        workers = self.workers if self.process.poll() is None else ()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process.stdout.close()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def everything(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


@pytest.fixture
def supervise(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(kind="serving", workers=2, grace=20):
            started = Supervised(tmp_path, kind, workers, grace)
            stack.callback(started.end)
            if kind == "serving":
                started.wait_until_ready()
            return started

        yield start


# --- Living and dying -----------------------------------------------------------------------


def test_all_workers_answer_on_one_port(supervise):
    server = supervise(workers=3)
    answering = {server.who_answers() for _ in range(100)}
    assert answering == server.workers
    assert len(answering) == 3


def test_a_killed_worker_is_replaced(supervise):
    server = supervise()
    before = server.workers
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(server.workers - before) == 1)
    assert {server.who_answers() for _ in range(60)} == server.workers


def test_while_a_worker_is_replaced_every_connection_is_answered(supervise):
    server = supervise()
    [victim, other] = server.workers
    os.kill(victim, signal.SIGKILL)
    assert all(server.who_answers() != victim for _ in range(40))
    assert lives(other)


def test_a_crash_loop_is_slowed_down(supervise):
    server = supervise("dying", workers=1)
    eventually(lambda: len(PAUSE.findall(server.log.read_text())) >= 4)
    pauses = [float(pause) for pause in PAUSE.findall(server.log.read_text())[:4]]
    assert pauses == [0.0, 0.5, 1.0, 2.0]


def test_a_crash_loop_can_be_ended(supervise):
    server = supervise("dying", workers=1)
    eventually(lambda: PAUSE.search(server.log.read_text()))
    server.process.terminate()
    assert server.process.wait(STOP_SECONDS) == 0


def test_workers_that_can_not_start_end_the_server(supervise):
    server = supervise("refusing", workers=3)
    assert server.process.wait(STOP_SECONDS) == 1
    assert "The part is broken." in server.log.read_text()


def test_a_part_that_can_not_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with starting(tmp_path, DAVSERVER_BLOBS__PATH="file/blobs", **TWO) as server:
        assert not server.wait_until_ready()
        assert server.process.wait(STOP_SECONDS) == 1
    assert server.stderr.startswith("davserver: ")
    assert len(server.stderr.splitlines()) == 1


def test_without_their_supervisor_workers_end(supervise):
    server = supervise()
    workers = server.workers
    server.process.kill()
    server.process.wait(STOP_SECONDS)
    assert eventually(lambda: not any(lives(pid) for pid in workers))


def test_one_worker_runs_in_the_process_itself(tmp_path):
    with serving(tmp_path, DAVSERVER_SERVER__WORKERS="1") as server:
        assert server.workers == set()
        assert server.ask("/healthz").status == 200


def test_the_command_line_says_how_many_workers(tmp_path):
    with serving(tmp_path, serve_options=("--workers", 3), **TWO) as server:
        assert len(server.workers) == 3


def test_the_supervisor_makes_no_thread_and_holds_no_database(tmp_path):
    with serving(tmp_path, **TWO) as server:
        process = Path(f"/proc/{server.process.pid}")
        held = [str(link.readlink()) for link in (process / "fd").iterdir()]
        assert len(list((process / "task").iterdir())) == 1
        assert not [name for name in held if "davserver.db" in name]
        assert len([name for name in held if name.startswith("socket:")]) == 2  # the listeners


def test_a_worker_holds_no_listener_but_its_own(tmp_path):
    with serving(tmp_path, **TWO) as server:
        for pid in server.workers:
            links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
            assert len([name for name in links if name.startswith("socket:")]) == 1


# --- Ending ---------------------------------------------------------------------------------


def test_an_upload_under_way_is_finished(supervise):
    server = supervise()
    with contextlib.closing(server.connect(head="Content-Length: 10\r\n")) as sock:
        sock.sendall(b"hello")
        assert server.who_answers()  # by now the upload was taken from its queue, too
        server.process.terminate()
        eventually(server.refuses_connections)
        sock.sendall(b"world")
        assert everything(sock).endswith(b"helloworld")
    assert server.process.wait(STOP_SECONDS) == 0


def test_a_download_under_way_is_finished(supervise):
    server = supervise()
    with contextlib.closing(server.connect("/download", buffer_bytes=16384)) as sock:
        first = sock.recv(1024)
        server.process.terminate()
        eventually(server.refuses_connections)
        whole = first + everything(sock)
    assert len(whole.partition(b"\r\n\r\n")[2]) == DOWNLOAD_BYTES
    assert server.process.wait(STOP_SECONDS) == 0


def test_the_grace_period_has_an_end(supervise):
    server = supervise(grace=0.5)
    with contextlib.closing(server.connect("/hold")):
        assert server.who_answers()
        server.process.terminate()
        assert server.process.wait(STOP_SECONDS) == 0


# --- SIGHUP ---------------------------------------------------------------------------------


@pytest.fixture
def certified(tmp_path):
    """Write a new certificate over the old one, as a renewal does; return who trusts it."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def renew():
        certificate.unlink(missing_ok=True)
        key.unlink(missing_ok=True)
        write_self_signed(certificate, key, names=["127.0.0.1"], now=system_clock())
        return ssl.create_default_context(cafile=certificate)

    variables = {
        "DAVSERVER_SERVER__TLS_CERTIFICATE": str(certificate),
        "DAVSERVER_SERVER__TLS_KEY": str(key),
    }
    renew()
    return certificate, renew, variables


def is_trusted(server, context):
    try:
        with (
            socket.create_connection(("127.0.0.1", server.port), 20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_renewed_certificate_is_taken_up_and_no_connection_dropped(tmp_path, certified, workers):
    certificate, renew, variables = certified
    variables = variables | {"DAVSERVER_SERVER__WORKERS": workers}
    with (
        serving(tmp_path, trusted=certificate, **variables) as server,
        contextlib.closing(server.connect()) as old,
    ):
        assert ask_on(old, "/healthz").status == 200
        renewed = renew()
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: all(is_trusted(server, renewed) for _ in range(12)))
        assert ask_on(old, "/healthz").status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_broken_certificate_keeps_the_old_one_and_is_one_sentence(tmp_path, certified, workers):
    certificate, _, variables = certified
    trusting = ssl.create_default_context(cafile=certificate)
    variables = variables | {"DAVSERVER_SERVER__WORKERS": workers}
    with serving(tmp_path, trusted=certificate, **variables) as server:
        (tmp_path / "tls.key").write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the old settings stay" in server.stderr)
        assert all(is_trusted(server, trusting) for _ in range(12))
        assert server.stop() == 0
    told = [event for event in server.events if "the old settings stay" in event["event"]]
    assert len(told) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_log_level_is_read_again(tmp_path, workers):
    config = tmp_path / "davserver.toml"
    config.write_text('[log]\nlevel = "error"\n')
    variables = {"DAVSERVER_SERVER__WORKERS": workers}
    with serving(tmp_path, "--config", config, **variables) as server:
        assert server.ask("/healthz").status == 200
        assert server.stderr == ""
        config.write_text('[log]\nlevel = "info"\n')
        server.process.send_signal(signal.SIGHUP)

        def is_logged():
            request_id = server.ask("/healthz").headers["X-Request-Id"]
            return any(event["request_id"] == request_id for event in server.events)

        assert eventually(is_logged)


def test_a_configuration_that_became_wrong_changes_nothing(tmp_path):
    config = tmp_path / "davserver.toml"
    config.write_text("")
    with serving(tmp_path, "--config", config, **TWO) as server:
        before = server.workers
        config.write_text("[log]\ncolour = 5\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the old settings stay" in server.stderr)
        assert server.ask("/healthz").status == 200
        assert server.workers == before


# --- Where they listen ----------------------------------------------------------------------


def test_workers_share_a_unix_socket(tmp_path):
    path = tmp_path / "socket"
    with serving(tmp_path, DAVSERVER_SERVER__HOST=f"unix:{path}", **TWO) as server:
        assert "davserver answers at http://localhost/" in server.stdout
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert everything(sock).startswith(b"HTTP/1.1 200 ")


def test_workers_listen_on_ipv6(tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(tmp_path, DAVSERVER_SERVER__HOST="::1", **TWO) as server:
        port = int(re.search(r"answers at http://\[::1\]:(\d+)/", server.stdout)[1])
        with socket.create_connection(("::1", port)) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert everything(sock).startswith(b"HTTP/1.1 200 ")


def test_a_port_that_another_server_s_workers_share_is_taken(tmp_path):
    with serving(tmp_path, **TWO) as server:
        late = subprocess.run(
            program("serve"),
            cwd=tmp_path,
            env=os.environ | TWO | {"DAVSERVER_SERVER__PORT": str(server.port)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert late.returncode == 1
    assert f"Port {server.port} of 127.0.0.1 can't be listened on" in late.stderr


def test_a_crash_loop_of_many_hours_is_still_only_slow():
    supervisor = Supervisor([], lambda seat: None, grace_seconds=1, on_ready=lambda: None)
    dead = _Worker(seat_number=0, pid=0, ready_pipe=-1, started_at=monotonic())
    for _ in range(2000):
        supervisor._brake(dead, 3)
    assert 25 < supervisor._crashes[0].restart_at - monotonic() <= 30
