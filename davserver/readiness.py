"""Whether what the server stands on answers: the database and the blob store.

An answer holds for a moment, and one thread looks at a time: the look writes a probe into the blob
store, and anybody may ask.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from storage.clock import monotonic
from storage.errors import StoreError
from storage.store import Store

logger = logging.getLogger(__name__)

_HOLDS_SECONDS = 1.0


class Readiness:
    """Looks at a store's parts, at most once a second in each worker."""

    def __init__(self, store: Store) -> None:
        self._looks: Mapping[str, Callable[[], object]] = {
            "database": store.check_database,
            "blobs": store.blobs.check,
        }
        self._lock = threading.Lock()
        self._states: Mapping[str, str] = {}
        self._holds_until = 0.0

    def states(self) -> Mapping[str, str]:
        """Return "ok" or "away" for each part."""
        with self._lock:
            if monotonic() >= self._holds_until:
                self._states = {part: _state_of(part, look) for part, look in self._looks.items()}
                self._holds_until = monotonic() + _HOLDS_SECONDS
            return self._states


def _state_of(part: str, look: Callable[[], object]) -> str:
    try:
        look()
    except StoreError as error:
        logger.warning("%s is not ready: %s", part, error.message)
        return "away"
    except Exception:
        logger.exception("%s is not ready", part)
        return "away"
    return "ok"
