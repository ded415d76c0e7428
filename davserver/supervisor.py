"""Forks the workers, replaces those that die, and passes on what the operator's signals ask.

Stays small and single-threaded: databases, blob stores and threads are made in the workers, after
the fork. It keeps every listening socket open, so that connections that reach a worker's queue
between its death and its successor wait instead of being reset.
Tests: tests/davserver/test_workers.py.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from storage.clock import monotonic
from storage.errors import Misconfigured, StoreError

logger = logging.getLogger(__name__)

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
_HEALTHY_AFTER_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_KILL_AFTER_SECONDS = 5.0
_REFUSED_STATUS = 1
_MOST_DOUBLINGS = 16  # far beyond the longest pause, far below what a float can hold
_READY = b"1"
_LONGEST_REASON_BYTES = 4096  # fits into a pipe that nobody reads yet


@dataclass(frozen=True, slots=True)
class Seat:
    """What one worker is given: its number, its socket, and how it says that it is ready."""

    number: int
    listener: socket.socket
    say_ready: Callable[[], None]


@dataclass
class _Worker:
    seat_number: int
    pid: int
    ready_pipe: int
    started_at: float
    was_ready: bool = False
    owes_reload: bool = False
    reason: str = ""


@dataclass
class _Crash:
    """The brake on crash loops: each early death doubles the pause before the next try."""

    early_deaths: int = 0
    restart_at: float = 0.0


@dataclass
class Supervisor:
    """Runs `work(seat)` in one process for each listener, until told to stop.

    `check_reload` raises StoreError when the settings on disk can't be used: then no worker is told
    to read them.
    """

    listeners: Sequence[socket.socket]
    work: Callable[[Seat], None]
    grace_seconds: float
    on_ready: Callable[[], None]
    check_reload: Callable[[], None] = lambda: None
    _workers: dict[int, _Worker] = field(default_factory=dict)
    _crashes: dict[int, _Crash] = field(default_factory=dict)
    _lifeline: tuple[int, int] = (-1, -1)
    _is_announced: bool = False

    def run(self) -> int:
        """Serve until a SIGTERM or SIGINT; return the exit status.

        Raises Misconfigured when a worker can't start for a reason that it can name.
        """
        self._lifeline = os.pipe()
        # Blocked and fetched one by one: no handler ever runs in the middle of something.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for number in range(len(self.listeners)):
                self._start(number, before)
            return self._watch(before)
        finally:
            self._end_all()
            for descriptor in self._lifeline:
                os.close(descriptor)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self, mask: set[int | signal.Signals]) -> int:
        while True:
            self._note_ready()
            told = signal.sigtimedwait(_SIGNALS, self._patience())
            number = None if told is None else told.si_signo
            if number in (signal.SIGTERM, signal.SIGINT):
                return 0
            if number == signal.SIGHUP:
                self._reload()
            for worker, status in self._buried():
                if status == _REFUSED_STATUS and not self._is_announced:
                    raise Misconfigured(worker.reason)  # trying again changes nothing
                self._brake(worker, status)
            self._restart_due(mask)

    def _start(self, number: int, mask: set[int | signal.Signals]) -> None:
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready_read)
            self._be_worker(number, ready_write, mask)
        os.close(ready_write)
        os.set_blocking(ready_read, False)
        self._workers[pid] = _Worker(number, pid, ready_read, monotonic())

    def _be_worker(self, number: int, ready_pipe: int, mask: set[int | signal.Signals]) -> None:
        status = _REFUSED_STATUS
        try:
            self._let_go_of_others(number)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
            _end_with_parent(self._lifeline[0])

            def say_ready() -> None:
                os.write(ready_pipe, _READY)

            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self.work(Seat(number, self.listeners[number], say_ready))
            status = 0
        except StoreError as error:
            # The supervisor says it, once: its neighbours fail for the same reason.
            os.write(ready_pipe, error.message.encode()[:_LONGEST_REASON_BYTES])
        except BaseException:
            logger.critical("worker %d died", number, exc_info=True)
            status = 2
        finally:
            logging.shutdown()
            os._exit(status)  # not sys.exit: the parent's clean-up is not ours to run

    def _let_go_of_others(self, number: int) -> None:
        """In a new worker: close what belongs to the supervisor or to the other workers."""
        os.close(self._lifeline[1])
        for worker in self._workers.values():
            os.close(worker.ready_pipe)
        for listener in self.listeners:
            if listener is not self.listeners[number]:  # a Unix socket is one for all
                listener.close()

    def _note_ready(self) -> None:
        for worker in self._workers.values():
            if not worker.was_ready and _is_ready(worker) and worker.owes_reload:
                self._signal(worker.pid, signal.SIGHUP)
        everyone = len(self._workers) == len(self.listeners)
        if everyone and not self._is_announced:
            self._is_announced = all(worker.was_ready for worker in self._workers.values())
            if self._is_announced:
                self.on_ready()

    def _patience(self) -> float:
        """Return how long to sleep at most: briefly while somebody is starting."""
        if not self._is_announced or not all(w.was_ready for w in self._workers.values()):
            return 0.02
        pauses = [crash.restart_at for crash in self._crashes.values() if crash.restart_at]
        return max(0.02, min([*pauses, monotonic() + 60.0]) - monotonic())

    def _buried(self) -> list[tuple[_Worker, int]]:
        dead = []
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                worker = self._workers.pop(pid, None)
                if worker is not None:
                    _is_ready(worker)
                    os.close(worker.ready_pipe)
                    dead.append((worker, os.waitstatus_to_exitcode(status)))
        return dead

    def _brake(self, worker: _Worker, status: int) -> None:
        crash = self._crashes.setdefault(worker.seat_number, _Crash())
        is_early = monotonic() - worker.started_at < _HEALTHY_AFTER_SECONDS
        crash.early_deaths = crash.early_deaths + 1 if is_early else 0
        pause = 0.0
        if crash.early_deaths > 1:
            pause = _FIRST_PAUSE_SECONDS * 2.0 ** min(crash.early_deaths - 2, _MOST_DOUBLINGS)
        pause = min(pause, _LONGEST_PAUSE_SECONDS)
        crash.restart_at = monotonic() + pause
        logger.error(
            "worker %d ended with status %d; another starts in %.1f s%s",
            worker.seat_number, status, pause, f": {worker.reason}" if worker.reason else "",
        )  # fmt: skip

    def _restart_due(self, mask: set[int | signal.Signals]) -> None:
        for number, crash in self._crashes.items():
            if crash.restart_at and crash.restart_at <= monotonic():
                crash.restart_at = 0.0
                self._start(number, mask)

    def _reload(self) -> None:
        try:
            self.check_reload()
        except StoreError as error:
            logger.error("the old settings stay: %s", error.message)  # noqa: TRY400 - no bug
            return
        for worker in self._workers.values():
            # One that is still starting would die of the signal; it is told when it is ready.
            worker.owes_reload = not worker.was_ready
            if worker.was_ready:
                self._signal(worker.pid, signal.SIGHUP)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._workers:
            self._signal(pid, number)

    def _end_all(self) -> None:
        # Ours first: as long as one process holds a listener, new connections queue up in it.
        for listener in self.listeners:
            listener.close()
        self._signal_all(signal.SIGTERM)
        deadline = monotonic() + self.grace_seconds + _KILL_AFTER_SECONDS
        while self._workers and monotonic() < deadline:
            signal.sigtimedwait(_SIGNALS, 0.05)
            self._buried()
        if self._workers:
            logger.error("%d workers did not end in time and are killed", len(self._workers))
            self._signal_all(signal.SIGKILL)
        while self._workers and self._buried() is not None:
            signal.sigtimedwait(_SIGNALS, 0.05)


def _is_ready(worker: _Worker) -> bool:
    """Note what a worker says of its start: that it is ready, or why it can't be."""
    with contextlib.suppress(BlockingIOError):
        said = os.read(worker.ready_pipe, _LONGEST_REASON_BYTES)
        worker.was_ready = worker.was_ready or said.startswith(_READY)
        worker.reason += said.removeprefix(_READY).decode(errors="replace")
    return worker.was_ready


def _end_with_parent(lifeline: int) -> None:
    """End this worker when the supervisor is gone, killed or crashed: nobody would replace it."""

    def wait() -> None:
        os.read(lifeline, 1)  # returns when the last writing end, the parent's, is closed
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
