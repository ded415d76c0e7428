"""Locks: which ones stand in the way of an act, and which ones cover a resource.

The rule of RFC 4918 §6 and §7 as one query, asked inside the transaction that changes things.
Taking, refreshing and releasing locks is in `locking`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    literal,
    or_,
    select,
)

from storage.audit import Actor
from storage.db import Tx
from storage.drive.nodes import Chain
from storage.drive.tables import locks, nodes
from storage.errors import Locked


@dataclass(frozen=True, slots=True)
class Lock:
    """A live lock. `href` is the encoded path of its root in the space; a folder's ends in /."""

    token: str
    space_id: int
    node_id: int
    is_exclusive: bool
    is_deep: bool
    owner_xml: str
    device_id: int
    created_at: datetime
    expires_at: datetime
    href: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """What an act touches, as far as locks care. The sum of two is an act that touches both.

    `exact` are resources whose own locks count, whatever their depth; `above` those whose
    infinite locks count; `below` those under which every lock counts.
    """

    exact: frozenset[int]
    above: frozenset[int]
    below: frozenset[int] = frozenset()

    @classmethod
    def of_content(cls, chain: Chain) -> Reach:
        """Return what changing an existing node's content or properties touches."""
        return cls(frozenset({chain.existing().id}), frozenset(chain.ids))

    @classmethod
    def of_member(cls, chain: Chain) -> Reach:
        """Return what making a new member touches: the folder's membership (§7.4)."""
        return cls(frozenset({chain.parent_id}), frozenset(chain.folder_ids))

    @classmethod
    def of_removal(cls, chain: Chain) -> Reach:
        """Return what taking a node away touches: itself, all below, its folder's membership."""
        node_id = chain.existing().id
        exact = frozenset({node_id, chain.parent_id})
        return cls(exact, frozenset(chain.ids), frozenset({node_id}))

    def __or__(self, other: Reach) -> Reach:
        return Reach(self.exact | other.exact, self.above | other.above, self.below | other.below)


_COLUMNS = (
    locks.c.token, locks.c.space_id, locks.c.node_id, locks.c.scope, locks.c.depth,
    locks.c.owner_xml, locks.c.device_id, locks.c.created_at, locks.c.expires_at,
)  # fmt: skip
_LIVE = and_(locks.c.space_id == bindparam("space"), locks.c.expires_at > bindparam("now"))


def _climbing(condition: ColumnElement[bool]) -> Any:  # Any: a CTE, whose columns mypy can't know
    """From each lock's root up to the top: few rows, as locks are few and trees are not deep."""
    start = select(locks.c.token, locks.c.node_id.label("at")).where(condition)
    climb = start.cte("climb", recursive=True)
    up = select(climb.c.token, nodes.c.parent_id).join(nodes, nodes.c.id == climb.c.at)
    return climb.union_all(up.where(nodes.c.parent_id.is_not(None)))


def _reaching_statement() -> Select[Any]:
    climb = _climbing(_LIVE)
    is_below = climb.c.at.in_(bindparam("below", expanding=True))
    is_above = locks.c.node_id.in_(bindparam("above", expanding=True))
    return select(*_COLUMNS).where(
        _LIVE,
        or_(
            locks.c.node_id.in_(bindparam("exact", expanding=True)),
            and_(locks.c.depth == "infinity", is_above),
            locks.c.token.in_(select(climb.c.token).where(is_below)),
        ),
    )  # fmt: skip


_REACHING = _reaching_statement()


def find_reaching(tx: Tx, reach: Reach, *, space_id: int) -> list[Lock]:
    """Return every live lock that this reach meets, in one query."""
    values = {
        "space": space_id,
        "now": tx.now,
        "exact": sorted(reach.exact),
        "above": sorted(reach.above),
        "below": sorted(reach.below),
    }
    return [lock_of(row) for row in tx.connection.execute(_REACHING, values)]


def require(tx: Tx, reach: Reach, *, space_id: int, tokens: Collection[str], actor: Actor) -> None:
    """Refuse the act unless the submitted tokens open every lock in its way.

    A token opens only for the device that took it (RFC 4918 §6.4). Of several shared locks on
    one resource one token is enough (§7). Raises Locked with the roots of those still shut.
    """
    by_root: dict[int, list[Lock]] = defaultdict(list)
    for lock in find_reaching(tx, reach, space_id=space_id):
        by_root[lock.node_id].append(lock)
    device_id = device_of(actor)
    shut = [
        held[0]
        for held in by_root.values()
        if not any(lock.token in tokens and lock.device_id == device_id for lock in held)
    ]
    if shut:
        raise Locked("This is locked by somebody else.", paths=hrefs_of(tx, shut))


def device_of(actor: Actor) -> int | None:
    """Return the device that acts, which is the owner of its locks; None for people and us."""
    return actor.id if actor.type == "device" else None


def list_covering(tx: Tx, *, chain: Chain) -> list[Lock]:
    """Return the locks that a resource is under: its own, and infinite ones above it."""
    own = () if chain.node is None else (chain.node.id,)
    reach = Reach(frozenset(own), frozenset(chain.ids))
    return with_hrefs(tx, find_reaching(tx, reach, space_id=chain.tree.space.id))


_OF_MEMBERS = select(*_COLUMNS).where(
    _LIVE,
    exists().where(
        nodes.c.id == locks.c.node_id,
        nodes.c.parent_id == bindparam("folder"),
        nodes.c.deleted_at.is_(None),
    ),
)


def list_of_members(tx: Tx, *, space_id: int, folder_id: int) -> dict[int, list[Lock]]:
    """Return the locks that a folder's members hold themselves, by member."""
    values = {"space": space_id, "now": tx.now, "folder": folder_id}
    found: dict[int, list[Lock]] = defaultdict(list)
    rows = tx.connection.execute(_OF_MEMBERS, values)
    for lock in with_hrefs(tx, [lock_of(row) for row in rows]):
        found[lock.node_id].append(lock)
    return dict(found)


_AROUND = select(*_COLUMNS).where(
    _LIVE,
    or_(
        locks.c.node_id == bindparam("folder"),
        and_(locks.c.depth == "infinity", locks.c.node_id.in_(bindparam("above", expanding=True))),
        exists().where(
            nodes.c.id == locks.c.node_id,
            nodes.c.parent_id == bindparam("folder"),
            nodes.c.deleted_at.is_(None),
        ),
    ),
)


def list_around(tx: Tx, *, chain: Chain) -> list[Lock]:
    """Return what covers a folder, and what its members hold themselves, in one query."""
    values = {
        "space": chain.tree.space.id,
        "now": tx.now,
        "folder": chain.existing().id,
        "above": sorted(chain.ids),
    }
    return with_hrefs(tx, [lock_of(row) for row in tx.connection.execute(_AROUND, values)])


def drop(tx: Tx, *, space_id: int, node_id: int) -> int:
    """Remove every lock on a node and below it; return how many there were.

    Locks don't travel with a MOVE (RFC 4918 §7.5), and end with a DELETE (§9.6).
    """
    climb = _climbing(locks.c.space_id == space_id)
    lost = select(climb.c.token).where(climb.c.at == node_id)
    return tx.connection.execute(delete(locks).where(locks.c.token.in_(lost))).rowcount


def lock_of(row: Sequence[Any]) -> Lock:  # Any: columns of all types
    """Return a lock from a row of its columns."""
    token, space_id, node_id, scope, depth, *rest = row
    return Lock(token, space_id, node_id, scope == "exclusive", depth == "infinity", *rest)


def all_columns() -> tuple[ColumnElement[Any], ...]:
    """Return the columns that `lock_of` wants, in its order."""
    return _COLUMNS


def with_hrefs(tx: Tx, found: Iterable[Lock]) -> list[Lock]:
    """Return the same locks, each with the encoded path of its root."""
    held = list(found)
    hrefs = _hrefs(tx, {lock.node_id for lock in held}) if held else {}
    return [replace(lock, href=hrefs[lock.node_id]) for lock in held]


def hrefs_of(tx: Tx, found: Iterable[Lock]) -> tuple[str, ...]:
    """Return the encoded paths of the locks' roots, sorted."""
    return tuple(sorted({lock.href for lock in with_hrefs(tx, found)}))


def _hrefs(tx: Tx, node_ids: Collection[int]) -> dict[int, str]:
    tail = case((nodes.c.kind == "folder", "/"), else_="")
    has_parent = nodes.c.parent_id.is_not(None)
    own_part = case((has_parent, nodes.c.name_href.concat(tail)), else_=literal(""))
    climb = (
        select(nodes.c.id.label("root"), nodes.c.parent_id.label("up"), own_part.label("href"))
        .where(nodes.c.id.in_(node_ids))
        .cte("climb", recursive=True)
    )
    longer = nodes.c.name_href.concat("/").concat(climb.c.href)
    climb = climb.union_all(
        select(
            climb.c.root, nodes.c.parent_id, case((has_parent, longer), else_=climb.c.href)
        ).join(nodes, nodes.c.id == climb.c.up)
    )
    query = select(climb.c.root, climb.c.href).where(climb.c.up.is_(None))
    return {row.root: row.href for row in tx.connection.execute(query)}
