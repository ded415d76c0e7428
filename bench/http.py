"""Stock cheroot against ours, in one run: `make bench-http` prints a Markdown table.

Interleaved rounds over the loopback with wrk, each a few seconds long; the median of each cell and
the ratio of the medians. The machine is shared, so only the ratios mean something.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any

from cheroot.wsgi import Server

from davserver.http.listening import open_listener
from davserver.http.server import HttpServer
from storage.sections import ServerConfig

SIZES = {"100 B": 100, "1 MiB": 1024 * 1024}
CONNECTIONS = 16
START_SECONDS = 20
Target = Callable[[int, int, Semaphore], None]
CLOSE_SCRIPT = 'wrk.headers["Connection"] = "close"\n'


def application(size: int) -> Callable[..., Iterable[bytes]]:
    body = b"x" * size
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))]

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", headers)
        return [body]

    return app


def run_stock(port: int, size: int, ready: Semaphore) -> None:
    # Its worst defaults are lifted, so that the comparison is of the code and not of two numbers.
    server = Server(
        ("127.0.0.1", port), application(size), request_queue_size=1024, reuse_port=True
    )
    server.keep_alive_conn_limit = None  # type: ignore[assignment] # cheroot takes it
    server.prepare()
    ready.release()
    server.serve()


def run_ours(port: int, size: int, ready: Semaphore) -> None:
    settings = ServerConfig(port=port)
    server = HttpServer(
        application(size), settings, listener=open_listener(settings, reuse_port=True)
    )
    server.prepare()
    ready.release()
    server.serve()


@contextmanager
def running(target: Target, workers: int, size: int) -> Iterator[tuple[int, list[int | None]]]:
    port, ready = free_port(), multiprocessing.Semaphore(0)
    processes = [
        multiprocessing.Process(target=target, args=(port, size, ready), daemon=True)
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            if not ready.acquire(timeout=START_SECONDS):
                raise RuntimeError("the server did not start")
        yield port, [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pids: list[int | None]) -> float:
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(
    target: Target, workers: int, size: int, seconds: int, script: Path | None
) -> tuple[float, float]:
    """Return requests per second, and the servers' microseconds of processor time for each."""
    with running(target, workers, size) as (port, pids):
        before = cpu_seconds(pids)
        rate = requests_per_second(port, seconds, script)
        return rate, (cpu_seconds(pids) - before) / (rate * seconds) * 1e6


def requests_per_second(port: int, seconds: int, script: Path | None) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
    if script is not None:
        command += ["-s", str(script)]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    assert found is not None
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.exit(1, "wrk is not installed; make system-deps installs it.\n")
    print("| workers | connection | reply | cheroot req/s | ours req/s | ratio | CPU µs/req |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        closing = Path(folder) / "close.lua"
        closing.write_text(CLOSE_SCRIPT)
        for workers in (1, 2):
            for kept, script in (("keep-alive", None), ("one request each", closing)):
                for name, size in SIZES.items():
                    row = compare(workers, size, script, options.rounds, options.seconds)
                    print(f"| {workers} | {kept} | {name} | {row}", flush=True)


def compare(workers: int, size: int, script: Path | None, rounds: int, seconds: int) -> str:
    """Return the last four cells of a row; the order turns around from one round to the next."""
    stock: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    for turn in range(rounds):
        pair = [(stock, run_stock), (ours, run_ours)]
        for found, target in pair if turn % 2 else reversed(pair):
            found.append(measure(target, workers, size, seconds, script))
    rates = [statistics.median(rate for rate, _ in found) for found in (stock, ours)]
    costs = [statistics.median(cost for _, cost in found) for found in (stock, ours)]
    return (
        f"{rates[0]:,.0f} | {rates[1]:,.0f} | {rates[1] / rates[0]:.2f} "
        f"| {costs[0]:,.0f} → {costs[1]:,.0f} |"
    )


if __name__ == "__main__":
    main()
