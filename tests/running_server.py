"""`davserver serve` as a process of its own, on a port that the system chooses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 60
STOP_SECONDS = 20
_ADDRESS = re.compile(r"answers at https?://127\.0\.0\.1:(\d+)/")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class RunningServer:
    """A server process; what it printed and logged is in two files."""

    process: subprocess.Popen[bytes]
    folder: Path
    stdout_path: Path
    stderr_path: Path
    trusted: Path | None
    ready_descriptor: int

    @property
    def stdout(self) -> str:
        return self.stdout_path.read_text()

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text()

    @property
    def port(self) -> int:
        found = _ADDRESS.search(self.stdout)
        assert found, self.stdout
        return int(found.group(1))

    def wait_until_ready(self) -> bool:
        """Wait until requests are answered, or the process has given up; tell which."""
        readable, _, _ = select.select([self.ready_descriptor], [], [], READY_SECONDS)
        assert readable, "neither ready nor ended"
        return os.read(self.ready_descriptor, 16) == b"ready\n"

    @property
    def workers(self) -> set[int]:
        """The processes that the server has started and that live."""
        return children_of(self.process.pid)

    @property
    def events(self) -> list[dict[str, object]]:
        """What was logged so far, line by line."""
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]

    def connect(self, source: str | None = None) -> http.client.HTTPConnection:
        if self.trusted is None:
            return http.client.HTTPConnection(
                "127.0.0.1",
                self.port,
                timeout=30,
                source_address=None if source is None else (source, 0),
            )
        context = ssl.create_default_context(cafile=self.trusted)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)

    def ask(
        self, path: str, *, method: str = "GET", source: str | None = None, **headers: str
    ) -> Answer:
        with contextlib.closing(self.connect(source)) as connection:
            return ask_on(connection, path, method=method, **headers)

    def stop(self) -> int:
        """Tell it to end, wait until it has, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_SECONDS)


def eventually(condition: Callable[[], object], *, seconds: float = 20.0) -> bool:
    """Ask until it is so; fail when it never is."""
    ends_at, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < ends_at, "it never came true"
        pause.wait(0.02)
    return True


def children_of(pid: int) -> set[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in listed if lives(int(child))}


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ask_on(
    connection: http.client.HTTPConnection, path: str, *, method: str = "GET", **headers: str
) -> Answer:
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return Answer(answer.status, dict(answer.getheaders()), answer.read())


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "davserver", *map(str, words)]


@contextlib.contextmanager
def serving(
    folder: Path,
    *options: object,
    trusted: Path | None = None,
    serve_options: tuple[object, ...] = (),
    **variables: str,
) -> Iterator[RunningServer]:
    """Start a server in `folder`, wait until it answers, and end it at the end."""
    with starting(
        folder, *options, trusted=trusted, serve_options=serve_options, **variables
    ) as server:
        assert server.wait_until_ready(), server.stderr
        yield server


@contextlib.contextmanager
def starting(
    folder: Path,
    *options: object,
    trusted: Path | None = None,
    serve_options: tuple[object, ...] = (),
    **variables: str,
) -> Iterator[RunningServer]:
    """Start a server, and end it at the end. Whether it is ready is the caller's to ask."""
    number = len(list(folder.glob("serve-*.out")))
    stdout_path, stderr_path = folder / f"serve-{number}.out", folder / f"serve-{number}.err"
    ready, announce = os.pipe()
    with stdout_path.open("wb") as out, stderr_path.open("wb") as err:
        process = subprocess.Popen(
            program(*options, "serve", "--once-ready-fd", announce, *serve_options),
            cwd=folder,
            env=os.environ | {"DAVSERVER_SERVER__PORT": "0"} | variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=(announce,),
        )
    os.close(announce)
    try:
        yield RunningServer(process, folder, stdout_path, stderr_path, trusted, ready)
    finally:
        os.close(ready)
        if process.poll() is None:
            process.kill()
        process.wait(timeout=STOP_SECONDS)
