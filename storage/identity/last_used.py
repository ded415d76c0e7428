"""When each device was last used, and how often a dead secret knocked.

Both are noted in memory and written at most once a minute per device: a client sends hundreds of
requests in that time, and none of them should wait for a write. What the last minute of a process
knew may be lost with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, update

from storage.clock import monotonic
from storage.db import Database, Tx
from storage.errors import Unavailable
from storage.identity.tables import devices

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
_MOST_REMEMBERED = 50_000
_LONGEST_CLIENT = 200
_LONGEST_ADDRESS = 45


@dataclass(slots=True)
class _Noted:
    """When the next write is due, and what has happened since the last one."""

    due_at: float
    count: int = 0


class LastUsed:
    """The notes of one process."""

    def __init__(self, database: Database, *, ticks: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._ticks = ticks
        self._lock = threading.Lock()
        self._used: dict[int, _Noted] = {}
        self._knocked: dict[int, _Noted] = {}

    def used(self, device_id: int, *, address: str, client: str) -> None:
        """Note that a device has signed in."""
        if self._count(self._used, device_id):
            self._write(lambda tx: _write_use(tx, device_id, address, client))

    def knocked(self, device_id: int, *, address: str) -> None:
        """Note that somebody came with a secret of this device that opens nothing any more."""
        if count := self._count(self._knocked, device_id):
            self._write(lambda tx: _write_knocks(tx, device_id, count, address))

    def _count(self, notes: dict[int, _Noted], device_id: int) -> int:
        """Return how often it happened since the last write, once the next one is due; else 0."""
        now = self._ticks()
        with self._lock:
            noted = notes.get(device_id)
            if noted is not None and now < noted.due_at:
                noted.count += 1
                return 0
            if noted is None and len(notes) >= _MOST_REMEMBERED:
                notes.clear()
            notes[device_id] = _Noted(now + INTERVAL_SECONDS)
            return 1 if noted is None else noted.count + 1

    def _write(self, act: Callable[[Tx], None]) -> None:
        try:
            self._database.write(act)
        except Unavailable as error:
            # A note is no reason to refuse a request that could be answered.
            logger.info("the use of a device was not noted: %s", error.message)


def _write_use(tx: Tx, device_id: int, address: str, client: str) -> None:
    values = {
        "last_used_at": tx.now,
        "last_used_ip": address[:_LONGEST_ADDRESS],
        "last_used_client": client[:_LONGEST_CLIENT] or None,
    }
    tx.connection.execute(update(devices).where(devices.c.id == device_id).values(values))


def _write_knocks(tx: Tx, device_id: int, count: int, address: str) -> None:
    values = {
        "knock_count": devices.c.knock_count + count,
        "first_knock_at": func.coalesce(devices.c.first_knock_at, tx.now),
        "last_knock_at": tx.now,
        "last_knock_ip": address[:_LONGEST_ADDRESS],
    }
    tx.connection.execute(update(devices).where(devices.c.id == device_id).values(values))
