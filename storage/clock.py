"""The only caller of the system clock.

Code takes the time from its transaction (`tx.now`) or from a `Clock` that it was handed; tests
hand in one that they move themselves. `monotonic` and `sleep` are for waiting and deadlines,
which must not follow a wall clock that jumps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the current time, aware, in UTC."""


def system_clock() -> datetime:
    """Return the wall-clock time, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds that only ever grow; the zero point means nothing."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait. Only retries with a bounded budget may call this."""
    time.sleep(seconds)
