"""The worker threads. They wait in the selector itself: the kernel's ready list is the queue.

Stock cheroot hands each request from a selector thread through a queue to a fixed number of
workers: two thread switches a request, and ten stuck clients starve everyone. Here a stuck worker
is replaced within a moment, up to a maximum. Tests: tests/davserver/http/test_connections.py.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from cheroot.workers.threadpool import ThreadPool, WorkerThread

from davserver.http.connection import Connection
from storage.clock import cpu_seconds, monotonic

if TYPE_CHECKING:
    from davserver.http.connections import Connections
    from davserver.http.server import HttpServer

_LOG = logging.getLogger("davserver.http")
_BUSY_SHARE = 0.7
_SPARE_SECONDS = 10.0  # a thread above the minimum goes when it had nothing to do for so long


class Worker(WorkerThread):
    """Takes a ready connection, moves it on, gives it back."""

    def __init__(self, server: HttpServer, pool: WorkerPool) -> None:
        super().__init__(server)  # type: ignore[no-untyped-call] # cheroot's stub has no types
        # A thread stuck in somebody's disk or network must not keep the process from ending.
        self.daemon = True
        self.name = "davserver-http"
        self.turns = 0
        self.turns_seen = -1
        self.is_busy = False
        self._pool = pool

    def _process_connections_until_interrupted(self) -> None:
        connections = self._pool.connections
        while True:
            connection = connections.take(_SPARE_SECONDS)
            if connection is None:
                if connections.is_closed or self._pool.retire(self):
                    return
                continue
            self.is_busy = True
            self._serve(connections, connection)
            self.turns += 1
            self.is_busy = False

    def _serve(self, connections: Connections, connection: Connection) -> None:
        stays = False
        try:
            stays = connection.communicate()
        except BaseException as error:  # noqa: BLE001 - an application may raise SystemExit
            _LOG.error("connection-failed", exc_info=error, extra={"detail": type(error).__name__})
        finally:
            if stays:
                connections.put(connection)
            else:
                connections.drop(connection)


class WorkerPool(ThreadPool):
    """Between `min` and `max` workers. Also the `Patience` that waiting threads turn to."""

    def __init__(self, server: HttpServer, *, least: int, most: int) -> None:
        super().__init__(server, min=least, max=most)
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self.is_exhausted = False
        self._looked_at = monotonic()
        self._cpu_then = cpu_seconds()

    @property
    def connections(self) -> Connections:
        """Where the workers take their work from."""
        server: HttpServer = self.server
        return server.connections

    @property
    def workers(self) -> set[Worker]:
        """The threads there are, as of now."""
        return self._workers.copy()

    @property
    def size(self) -> int:
        """How many threads there are."""
        return len(self._workers)

    @property
    def idle(self) -> int:
        """How many of them wait for work."""
        return sum(not worker.is_busy for worker in self._workers.copy())

    def start(self) -> None:
        """Make the least number of threads."""
        self.grow(self.min)

    def grow(self, amount: int) -> None:
        """Make more threads, not above the maximum."""
        with self._lock:
            room = self.max - len(self._workers)
            fresh = [Worker(self.server, self) for _ in range(min(amount, room))]
            self._workers.update(fresh)
        for worker in fresh:
            worker.start()

    def retire(self, worker: Worker) -> bool:
        """Let a worker go that found nothing to do, if there are more than the least number."""
        with self._lock:
            if len(self._workers) <= self.min:
                return False
            self._workers.discard(worker)
            return True

    def waiting(self) -> None:
        """A worker is about to wait for its peer; see that somebody else is there for the rest."""
        if not self.idle:
            self.grow(1)
            self.is_exhausted = not self.idle

    def resumed(self) -> None:
        """A worker goes on. The next check will see what that means."""

    def adjust(self) -> bool:
        """Make more workers if more would help; tell whether all there are have work.

        Two cases: some have been at one request since the last look, or all have work and yet the
        processor is idle, so they wait for disks and databases. A busy processor is no reason:
        more threads would only fight for the interpreter's lock.
        """
        now, used = monotonic(), cpu_seconds()
        has_spare = used - self._cpu_then < (now - self._looked_at) * _BUSY_SHARE
        self._looked_at, self._cpu_then = now, used
        workers = self.workers
        is_full = all(worker.is_busy for worker in workers)
        if is_full:
            stuck = sum(worker.turns == worker.turns_seen for worker in workers)
            self.grow(max(stuck, 1 + len(workers) // 2 if has_spare else 0))
            self.is_exhausted = len(self._workers) >= self.max and stuck > 0
        else:
            self.is_exhausted = False
        for worker in workers:
            worker.turns_seen = worker.turns
        return is_full

    def stop(self, timeout: float | None = 5) -> None:
        """Wait for the workers, which `Connections.close` has sent home, to end."""
        share = (timeout or 0.0) / max(1, len(self._workers))
        for worker in self._workers.copy():
            if worker is not threading.current_thread():
                worker.join(share)
