"""The audit log: who did what, to what, from where, with what outcome.

Append-only, one hash chain for each account (0 is the server itself), written in the caller's own
transaction: an act and its record are both there or both not. No foreign keys: the record outlives
what it tells of. `verify` finds a row that was changed, removed or moved; the heads it returns,
kept elsewhere, show a tail that was cut.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from storage.db import Tx
from storage.errors import Invalid
from storage.schema import BigId, UtcTime, metadata, numbered_table

SERVER_CHAIN = 0
"""The chain of what belongs to no account."""

audit_events = numbered_table(
    "audit_events",
    Column("account_id", BigId, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("category", String(16), nullable=False),
    # What follows is None in a row that was pruned; `content_hash` still stands for it.
    Column("action", String(64)),
    Column("actor_type", String(16)),
    Column("actor_id", BigId),
    Column("actor_label", String(320)),
    Column("target_type", String(24)),
    Column("target_id", BigId),
    Column("target_label", String(320)),
    Column("ip", String(45)),
    Column("user_agent", String(200)),
    Column("request_id", String(64)),
    Column("outcome", String(16)),
    Column("metadata", Text),
    Column("content_hash", LargeBinary(32), nullable=False),
    Column("prev_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    UniqueConstraint("account_id", "seq"),
    Index("ix_audit_events_account_id_at", "account_id", "at"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("account_id", BigId, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

_FIRST_HASH = bytes(32)
_CONTENT = (
    "action", "actor_type", "actor_id", "actor_label", "target_type", "target_id", "target_label",
    "ip", "user_agent", "request_id", "outcome", "metadata",
)  # fmt: skip


class Category(StrEnum):
    """What an event is about; how long it is kept follows from it."""

    ADMIN = "admin"
    API = "api"
    BILLING = "billing"
    DRIVE = "drive"
    MAIL = "mail"
    SECURITY = "security"


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where, as the gate or the command line knows it."""

    type: str
    id: int | None
    label: str
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


SYSTEM = Actor(type="system", id=None, label="davserver")
COMMAND_LINE = Actor(type="system", id=None, label="command line")


@dataclass(frozen=True, slots=True)
class Target:
    """What is acted upon. The label is kept as it was at that moment."""

    type: str
    id: int | None
    label: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `action` reads subject:thing:what-happened."""

    category: Category
    action: str
    actor: Actor
    target: Target | None = None
    outcome: Outcome = Outcome.DONE
    metadata: Mapping[str, Any] = field(default_factory=dict)  # Any: whatever JSON can hold


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


def record(tx: Tx, event: Event, *, account_id: int = SERVER_CHAIN) -> None:
    """Append `event` to the account's chain, as part of the caller's transaction.

    The chain's head is held until the transaction ends: two writers of one account come one after
    the other, so that no two rows follow the same one.
    """
    head = _hold_head(tx, account_id)
    content = _content_of(event)
    content_hash = _hash_content(content)
    seq = head.seq + 1
    link = _hash_link(head.hash, account_id, seq, tx.now, event.category, content_hash)
    tx.connection.execute(
        insert(audit_events).values(
            account_id=account_id, seq=seq, at=tx.now, category=event.category,
            content_hash=content_hash, prev_hash=head.hash, hash=link, **content,
        )
    )  # fmt: skip
    tx.connection.execute(
        update(audit_heads).where(audit_heads.c.account_id == account_id).values(seq=seq, hash=link)
    )


def verify(tx: Tx, *, against: tuple[Head, ...] = ()) -> Verdict:
    """Read the whole log and check every link.

    `against` are heads from an earlier verdict, kept where nobody could reach both: with them a
    chain that was cut short, or written anew from some row on, shows too.
    """
    expected: dict[int, dict[int, str]] = {}
    for head in against:
        expected.setdefault(head.account_id, {})[head.seq] = head.hash
    stored = {row.account_id: row for row in tx.connection.execute(select(audit_heads))}
    faults: list[Fault] = []
    heads: list[Head] = []
    count = 0
    for account_id in sorted(set(stored) | set(expected) | set(_chains(tx))):
        chain = _Chain(account_id, expected.get(account_id, {}))
        for row in _rows(tx, account_id):
            chain.check(row)
            count += 1
        chain.finish(stored.get(account_id))
        faults += chain.faults
        heads.append(Head(account_id, chain.seq, chain.hash.hex()))
    return Verdict(rows=count, heads=tuple(heads), faults=tuple(faults))


def list_events(
    tx: Tx, *, account_id: int | None = None, limit: int = 50, newest_first: bool = True
) -> list[dict[str, object]]:
    """Return events as plain values, newest first unless said otherwise."""
    order = audit_events.c.id.desc() if newest_first else audit_events.c.id.asc()
    query = select(audit_events).order_by(order).limit(limit)
    if account_id is not None:
        query = query.where(audit_events.c.account_id == account_id)
    return [_plain(row) for row in tx.connection.execute(query)]


def iter_events(
    tx: Tx, *, account_id: int | None = None
) -> Generator[dict[str, object], None, None]:
    """Give every event as plain values, oldest first, without holding them all.

    Who may stop half-way closes it, before the transaction ends.
    """
    query = select(audit_events).order_by(audit_events.c.id)
    if account_id is not None:
        query = query.where(audit_events.c.account_id == account_id)
    for row in _one_by_one(tx, query):
        yield _plain(row)


class _Chain:
    """Walks one account's rows in order and notes each place where they do not fit."""

    def __init__(self, account_id: int, expected: Mapping[int, str]) -> None:
        self.faults: list[Fault] = []
        self.seq = 0
        self.hash = _FIRST_HASH
        self._account_id = account_id
        self._expected = expected
        self._last_id = 0

    def check(self, row: Row[Any]) -> None:
        if row.seq != self.seq + 1:
            self._fault(self.seq + 1, _missing(self.seq + 1, row.seq - 1))
        elif row.prev_hash != self.hash:
            self._fault(row.seq, "does not follow the row before it")
        if row.id < self._last_id:
            self._fault(row.seq, "stands before a row that was written earlier: moved")
        is_pruned = all(value is None for value in _stored_content(row).values())
        content_hash = row.content_hash if is_pruned else _hash_content(_stored_content(row))
        link = _hash_link(
            row.prev_hash, row.account_id, row.seq, row.at, row.category, content_hash
        )
        if is_pruned and row.category != Category.API:
            self._fault(row.seq, f"was emptied, though {row.category} events are kept")
        elif content_hash != row.content_hash or link != row.hash:
            self._fault(row.seq, "was changed after it was written")
        if self._expected.get(row.seq, row.hash.hex()) != row.hash.hex():
            self._fault(row.seq, "is not the row that was there when its hash was noted")
        self.seq, self.hash, self._last_id = row.seq, row.hash, row.id

    def finish(self, stored: Row[Any] | None) -> None:
        newest = max([*self._expected, 0 if stored is None else stored.seq])
        if newest > self.seq:
            self._fault(self.seq + 1, _missing(self.seq + 1, newest))
        elif stored is None or (stored.seq, stored.hash) != (self.seq, self.hash):
            self._fault(self.seq, "is not what the chain's head says it should be")

    def _fault(self, seq: int, what: str) -> None:
        self.faults.append(Fault(self._account_id, seq, what))


def _missing(first: int, last: int) -> str:
    return "is missing" if first == last else f"to {last} are missing"


def _hold_head(tx: Tx, account_id: int) -> Row[Any]:
    tx.serialise_on("audit", account_id)
    query = select(audit_heads).where(audit_heads.c.account_id == account_id)
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        first = {"account_id": account_id, "seq": 0, "hash": _FIRST_HASH}
        tx.connection.execute(insert(audit_heads).values(first))
        row = tx.connection.execute(query).one()
    return row


def _content_of(event: Event) -> dict[str, object]:
    if event.action.count(":") != 2:
        raise Invalid(f"An audit action has three words, but this one is {event.action!r}.")
    actor, target = event.actor, event.target
    return {
        "action": event.action,
        "actor_type": actor.type,
        "actor_id": actor.id,
        "actor_label": _storable(actor.label, 320),
        "target_type": target.type if target else None,
        "target_id": target.id if target else None,
        "target_label": _storable(target.label, 320) if target else None,
        "ip": actor.ip,
        "user_agent": _storable(actor.user_agent, 200) if actor.user_agent else None,
        "request_id": actor.request_id,
        "outcome": str(event.outcome),
        # Kept as the very text that was hashed: a JSON column may come back spelled otherwise.
        "metadata": json.dumps(dict(event.metadata), sort_keys=True, ensure_ascii=False),
    }


def _storable(text: str, longest: int) -> str:
    # Strangers choose these: a name with a NUL in it, which PostgreSQL refuses, or with half a
    # character, must not keep the attempt from being recorded.
    return (
        text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")[:longest]
    )


def _stored_content(row: Row[Any]) -> dict[str, object]:
    return {name: getattr(row, name) for name in _CONTENT}


def _hash_content(content: Mapping[str, object]) -> bytes:
    return hashlib.sha256(_canonical([content[name] for name in _CONTENT])).digest()


def _hash_link(
    previous: bytes, account_id: int, seq: int, at: datetime, category: str, content_hash: bytes
) -> bytes:
    # The time and category stay outside the content, so that a pruned row still proves them.
    frame = [account_id, seq, at.isoformat(timespec="microseconds"), str(category)]
    return hashlib.sha256(previous + content_hash + _canonical(frame)).digest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


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


def _plain(row: Row[Any]) -> dict[str, object]:
    plain = {name: getattr(row, name) for name in ("account_id", "seq", "category", *_CONTENT)}
    plain["at"] = row.at.isoformat()
    plain["metadata"] = json.loads(row.metadata) if row.metadata else {}
    plain["hash"] = row.hash.hex()
    return plain
