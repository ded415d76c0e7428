"""The only caller of the system clock.

Code takes the time from its transaction (`tx.now`) or from a `Clock` that it was handed; tests
hand in one that they move themselves. `monotonic` and `sleep` are for waiting and deadlines,
which must not follow a wall clock that jumps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate

Clock = Callable[[], datetime]
"""Gives the current time, aware, in UTC."""


def system_clock() -> datetime:
    """Return the wall-clock time, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds that only ever grow; the zero point means nothing."""
    return time.monotonic()


def cpu_seconds() -> float:
    """Return the processor time that this process has used; for telling work from waiting."""
    return time.process_time()


def sleep(seconds: float) -> None:
    """Wait. Only retries with a bounded budget may call this."""
    time.sleep(seconds)


def http_date() -> str:
    """Return the wall-clock time as HTTP writes it (RFC 9110 §5.6.7), made once a second."""
    global _date
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]


_date = (0, "")
