"""How long an act goes on without progress, by a clock that stands still until it is moved."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from io import BytesIO
from itertools import repeat
from typing import Any

import pytest

from storage.drive.blobs import patience as patience_module
from storage.drive.blobs.parts import Part, read_parts, send_parts
from storage.drive.blobs.patience import Patience
from storage.errors import Unavailable


class Stopwatch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch()
    monkeypatch.setattr(patience_module, "monotonic", stopwatch)
    return stopwatch


@pytest.mark.parametrize(("now", "is_at_its_end"), [(9.9, False), (10, True)])
def test_patience_ends_when_its_seconds_are_over(stopwatch, now: float, is_at_its_end: bool):
    patience = Patience(10)
    stopwatch.now = now
    assert patience.is_at_its_end == is_at_its_end


def test_progress_begins_the_seconds_again(stopwatch):
    patience = Patience(10)
    stopwatch.now = 9
    patience.renew()
    stopwatch.now = 18
    patience.check()


def test_progress_comes_too_late_for_what_was_given_up(stopwatch):
    patience = Patience(10)
    patience.give_up()
    patience.renew()
    with pytest.raises(Unavailable):
        patience.check()


def test_nothing_is_waited_for_without_patience():
    with pytest.raises(Unavailable):
        Patience(0.01).result_of(Future())


def test_a_result_is_given_even_at_the_end(stopwatch):
    patience = Patience(10)
    done: Future[int] = Future()
    done.set_result(5)
    stopwatch.now = 11
    assert patience.result_of(done) == 5


class SlowSource:
    """Half a minute passes with every read."""

    def __init__(self, content: bytes, stopwatch: Stopwatch) -> None:
        self._rest = BytesIO(content)
        self._stopwatch = stopwatch

    def read(self, size: int, /) -> bytes:
        self._stopwatch.now += 30
        return self._rest.read(size)


class AtOnce(Executor):
    """Does what is handed to it before it returns, so that no thread meets the moving clock."""

    def submit(self, act: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(act(*args))
        return future


def test_a_slow_source_uses_up_no_patience(stopwatch):
    patience = Patience(10)

    def send(part: Part) -> int:
        patience.check()
        return part.size

    parts = read_parts(SlowSource(b"x" * 20, stopwatch), repeat(5))
    assert send_parts(deque(), parts, send, AtOnce(), patience) == [5, 5, 5, 5]
