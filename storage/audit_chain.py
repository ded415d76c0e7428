"""Proving the audit log whole: a row that was changed, removed or moved is named.

The heads that `verify` returns, kept elsewhere, show a tail that was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, select

from storage.audit import (
    FIRST_HASH,
    Category,
    audit_events,
    audit_heads,
    hash_content,
    hash_link,
    stored_content,
)
from storage.db import Tx

API_EVENTS_ARE_KEPT = timedelta(days=90)
"""How long the content of API events stays; that of all others is never pruned."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link of a chain: its number and hash say that nothing before is missing."""

    account_id: int
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where a chain does not hold."""

    account_id: int
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how much it read, where each chain ends, and every fault."""

    rows: int
    heads: tuple[Head, ...]
    faults: tuple[Fault, ...]


def verify(
    tx: Tx, *, against: tuple[Head, ...] = (), pruned_before: datetime | None = None
) -> Verdict:
    """Read the whole log and check every link.

    `against` are heads from an earlier verdict, kept where nobody could reach both: with them a
    chain that was cut short, or written anew from some row on, shows too. API events older than
    `pruned_before` (90 days ago, unless said otherwise) may have been emptied.

    Where others write at the same time, `tx` must be of one moment: call it in
    `Database.reading()`. In PostgreSQL's usual transactions each query sees a later moment, so
    that a row and its chain's head may disagree for no fault.
    """
    if pruned_before is None:
        pruned_before = tx.now - API_EVENTS_ARE_KEPT
    expected: dict[int, dict[int, str]] = {}
    for head in against:
        expected.setdefault(head.account_id, {})[head.seq] = head.hash
    stored = {row.account_id: row for row in tx.connection.execute(select(audit_heads))}
    faults: list[Fault] = []
    heads: list[Head] = []
    count = 0
    for account_id in sorted(set(stored) | set(expected) | set(_chains(tx))):
        chain = _Chain(account_id, expected.get(account_id, {}), pruned_before)
        for row in _rows(tx, account_id):
            chain.check(row)
            count += 1
        chain.finish(stored.get(account_id))
        faults += chain.faults
        heads.append(Head(account_id, chain.seq, chain.hash.hex()))
    return Verdict(rows=count, heads=tuple(heads), faults=tuple(faults))


class _Chain:
    """Walks one account's rows in order and notes each place where they do not fit."""

    def __init__(
        self, account_id: int, expected: Mapping[int, str], pruned_before: datetime
    ) -> None:
        self.faults: list[Fault] = []
        self.seq = 0
        self.hash = FIRST_HASH
        self._account_id = account_id
        self._expected = expected
        self._pruned_before = pruned_before
        self._last_id = 0
        # What the next row may follow: the hash that is stored, and the one it should be. They
        # differ where a fault was noted already, and the row after that one is not to blame.
        self._hashes = {FIRST_HASH}

    def check(self, row: Row[Any]) -> None:
        is_next = row.seq == self.seq + 1
        if not is_next:
            self._fault(self.seq + 1, _missing(self.seq + 1, row.seq - 1))
        if row.id < self._last_id:
            self._fault(row.seq, "stands before a row that was written earlier: moved")
        link = self._check_content(row, self._hashes if is_next else {row.prev_hash})
        hashes = {row.hash, link}
        noted = self._expected.get(row.seq)
        if noted is not None and noted not in {known.hex() for known in hashes}:
            self._fault(row.seq, "is not the row that was there when its hash was noted")
        self.seq, self.hash, self._last_id, self._hashes = row.seq, row.hash, row.id, hashes

    def _check_content(self, row: Row[Any], before: set[bytes]) -> bytes:
        """Note what is wrong with the row itself, once, and return the hash it should have."""
        content = stored_content(row)
        is_emptied = all(value is None for value in content.values())
        content_hash = row.content_hash if is_emptied else hash_content(content)
        link = _link(row, row.prev_hash, content_hash)
        is_whole = content_hash == row.content_hash and link == row.hash
        if is_emptied and row.category != Category.API:
            self._fault(row.seq, f"was emptied, though {row.category} events are kept")
        elif is_emptied and row.at >= self._pruned_before:
            self._fault(row.seq, f"was emptied, though it is from {row.at:%Y-%m-%d}: too early")
        elif not is_whole:
            self._fault(row.seq, "was changed after it was written")
        elif row.prev_hash not in before:
            self._fault(row.seq, "does not follow the row before it")
        if row.prev_hash in before:
            return link
        # Only its link to the row before was changed, if it has the hash that the true one gives.
        mended = [_link(row, previous, content_hash) for previous in before]
        return row.hash if row.hash in mended else link

    def finish(self, stored: Row[Any] | None) -> None:
        newest = max([*self._expected, 0 if stored is None else stored.seq])
        if newest > self.seq:
            self._fault(self.seq + 1, _missing(self.seq + 1, newest))
        elif stored is None or stored.seq != self.seq or stored.hash not in self._hashes:
            self._fault(self.seq, "is not what the chain's head says it should be")

    def _fault(self, seq: int, what: str) -> None:
        self.faults.append(Fault(self._account_id, seq, what))


def _link(row: Row[Any], previous: bytes, content_hash: bytes) -> bytes:
    return hash_link(previous, row.account_id, row.seq, row.at, row.category, content_hash)


def _missing(first: int, last: int) -> str:
    return "is missing" if first == last else f"to {last} are missing"


def _chains(tx: Tx) -> list[int]:
    return list(tx.connection.scalars(select(audit_events.c.account_id).distinct()))


def _rows(tx: Tx, account_id: int) -> Iterator[Row[Any]]:
    query = (
        select(audit_events)
        .where(audit_events.c.account_id == account_id)
        .order_by(audit_events.c.seq)
    )
    yield from _one_by_one(tx, query)


def _one_by_one(tx: Tx, query: Select[Any]) -> Iterator[Row[Any]]:
    # Given to this statement alone: on the connection it would hold for all that follow. Closed
    # also when the taker stops half-way, or the server keeps a cursor for nobody.
    with tx.connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        yield from rows
