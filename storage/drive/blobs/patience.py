"""How long one act waits for a store that makes no progress, however many tries that takes.

Time-outs bound one call; this bounds what is made of calls: tries, parts that queue for a sender,
cleaning up. Knows no vendor. Called by homes that are a network away.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import TypeVar

from storage.clock import monotonic
from storage.errors import Unavailable

Result = TypeVar("Result")


class Patience:
    """So many seconds, renewed by whatever moves on. Safe to share by the threads of one act."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_given_up = False
        self._ends_at = monotonic() + seconds

    @property
    def is_at_its_end(self) -> bool:
        """Whether nothing more should be tried."""
        return self._is_given_up or monotonic() >= self._ends_at

    def renew(self) -> None:
        """Begin the seconds again: bytes went, or a call was answered."""
        self._ends_at = monotonic() + self._seconds

    def give_up(self) -> None:
        """End it for good: the act has failed, and what still runs for it should stop."""
        self._is_given_up = True

    def check(self) -> None:
        """Raise Unavailable when it is at its end."""
        if self.is_at_its_end:
            raise Unavailable("The blob store makes no progress.")

    def result_of(self, future: Future[Result]) -> Result:
        """Return what the future gives. Raises Unavailable when patience ends before."""
        while not wait((future,), timeout=max(0.0, self._ends_at - monotonic())).done:
            self.check()
        return future.result()
