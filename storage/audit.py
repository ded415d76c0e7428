"""The audit log: who did what, to what, from where, with what outcome.

Append-only, one hash chain for each account (0 is the server itself), written in the caller's own
transaction: an act and its record are both there or both not. No foreign keys: the record outlives
what it tells of. Recording and reading are here; `audit_chain.py` proves the log whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
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
    func,
    insert,
    select,
    update,
)

from storage.db import Database, Tx
from storage.errors import Invalid
from storage.schema import BigId, UtcTime, exact, metadata, numbered_table

SERVER_CHAIN = 0
"""The chain of what belongs to no account."""

audit_events = numbered_table(
    "audit_events",
    Column("account_id", BigId, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("category", exact(16), nullable=False),
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
    Index("ix_audit_events_category_at", "category", "at"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("account_id", BigId, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

FIRST_HASH = bytes(32)
"""What the first row of a chain follows."""

_PAGE_ROWS = 1000
_LONGEST_METADATA_TEXT = 4096
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


def record(tx: Tx, event: Event, *, account_id: int = SERVER_CHAIN) -> None:
    """Append `event` to the account's chain, as part of the caller's transaction.

    The chain's head is held until the transaction ends: two writers of one account come one after
    the other, so that no two rows follow the same one.
    """
    head = _hold_head(tx, account_id)
    content = _content_of(event)
    content_hash = hash_content(content)
    seq = head.seq + 1
    link = hash_link(head.hash, account_id, seq, tx.now, event.category, content_hash)
    tx.connection.execute(
        insert(audit_events).values(
            account_id=account_id, seq=seq, at=tx.now, category=event.category,
            content_hash=content_hash, prev_hash=head.hash, hash=link, **content,
        )
    )  # fmt: skip
    tx.connection.execute(
        update(audit_heads).where(audit_heads.c.account_id == account_id).values(seq=seq, hash=link)
    )


def list_events(
    tx: Tx, *, account_id: int | None = None, limit: int = 50
) -> list[dict[str, object]]:
    """Return the newest events as plain values, the newest first."""
    query, number = _events_of(account_id)
    rows = tx.connection.execute(query.order_by(number.desc()).limit(limit))
    return [_plain(row) for row in rows]


def iter_events(
    database: Database, *, account_id: int | None = None
) -> Iterator[dict[str, object]]:
    """Give every event up to now as plain values, oldest first, without holding them all.

    They come page by page, each in a short transaction of its own: whoever takes them may pause
    as long as he likes. Events of the log never change, so the pages fit together.
    """
    query, number = _events_of(account_id)
    newest = database.read(
        lambda tx: tx.connection.scalar(query.with_only_columns(func.max(number)))
    )
    last = 0
    while newest is not None and last < newest:
        page = query.where(number > last, number <= newest).order_by(number).limit(_PAGE_ROWS)
        rows = database.read(partial(_fetch, page))
        if not rows:
            return
        for row in rows:
            yield _plain(row)
        last = getattr(rows[-1], number.name)


def _fetch(query: Select[Any], tx: Tx) -> Sequence[Row[Any]]:
    return tx.connection.execute(query).all()


def _events_of(account_id: int | None) -> tuple[Select[Any], Column[int]]:
    # One account's rows are numbered by its chain, and that index gives them in order.
    query = select(audit_events)
    if account_id is None:
        return query, audit_events.c.id
    return query.where(audit_events.c.account_id == account_id), audit_events.c.seq


def _hold_head(tx: Tx, account_id: int) -> Row[Any]:
    tx.serialise_on("audit", account_id)
    query = select(audit_heads).where(audit_heads.c.account_id == account_id)
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        first = {"account_id": account_id, "seq": 0, "hash": FIRST_HASH}
        tx.connection.execute(insert(audit_heads).values(first))
        row = tx.connection.execute(query).one()
    return row


def _content_of(event: Event) -> dict[str, object]:
    if event.action.count(":") != 2:
        raise Invalid(f"An audit action has three words, but this one is {event.action!r}.")
    actor, target = event.actor, event.target
    # Our own words: one that is too long is a mistake of ours, on both databases alike.
    _check_word("action", event.action, 64)
    _check_word("actor_type", actor.type, 16)
    if target is not None:
        _check_word("target_type", target.type, 24)
    return {
        "action": event.action,
        "actor_type": actor.type,
        "actor_id": actor.id,
        "actor_label": _storable(actor.label, 320) or "",
        "target_type": target.type if target else None,
        "target_id": target.id if target else None,
        "target_label": (_storable(target.label, 320) or "") if target else None,
        "ip": _storable(actor.ip, 45),
        "user_agent": _storable(actor.user_agent, 200),
        "request_id": _storable(actor.request_id, 64),
        "outcome": str(event.outcome),
        # Kept as the very text that was hashed: a JSON column may come back spelled otherwise.
        "metadata": json.dumps(
            _storable_value(dict(event.metadata)), sort_keys=True, ensure_ascii=False
        ),
    }


def _check_word(name: str, word: str, longest: int) -> None:
    if not 0 < len(word) <= longest or not word.isascii() or not word.isprintable():
        raise Invalid(
            f"An audit event's {name} has 1 to {longest} plain characters, but this one "
            f"is {word[:longest]!r}."
        )


def _storable(text: str | None, longest: int | None) -> str | None:
    # Strangers choose these: a name with a NUL in it, which PostgreSQL refuses, or with half a
    # character, must not keep the attempt from being recorded.
    if not text:
        return None
    return (
        text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")[:longest]
    )


def _storable_value(value: Any) -> Any:  # Any: whatever JSON can hold, at any depth
    if isinstance(value, str):
        return _storable(value, _LONGEST_METADATA_TEXT) or ""
    if isinstance(value, Mapping):
        return {
            _storable(str(key), _LONGEST_METADATA_TEXT) or "": _storable_value(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_storable_value(inner) for inner in value]
    return value


def stored_content(row: Row[Any]) -> dict[str, object]:
    """Return the part of a row that is hashed by itself and may be pruned."""
    return {name: getattr(row, name) for name in _CONTENT}


def hash_content(content: Mapping[str, object]) -> bytes:
    """Return the hash that stands for a row's content."""
    return hashlib.sha256(_canonical([content[name] for name in _CONTENT])).digest()


def hash_link(
    previous: bytes, account_id: int, seq: int, at: datetime, category: str, content_hash: bytes
) -> bytes:
    """Return the hash that ties a row to the one before it."""
    # The time and category stay outside the content, so that a pruned row still proves them.
    frame = [account_id, seq, at.isoformat(timespec="microseconds"), str(category)]
    return hashlib.sha256(previous + content_hash + _canonical(frame)).digest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(row: Row[Any]) -> dict[str, object]:
    plain = {name: getattr(row, name) for name in ("account_id", "seq", "category", *_CONTENT)}
    plain["at"] = row.at.isoformat()
    plain["metadata"] = json.loads(row.metadata) if row.metadata else {}
    plain["hash"] = row.hash.hex()
    return plain
