"""Taking, refreshing, releasing and breaking locks (RFC 4918 §6, §9.10, §9.11).

The check and the insert are one transaction under the space's lock, so two processes never grant
the same thing. The owner of a lock is the device that took it: two devices of one person are two.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, conditions, locks, nodes, spaces
from storage.drive.changes import Change, ChangeKind
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.locks import Lock, Reach
from storage.drive.nodes import Chain, Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.drive.tables import locks as locks_table
from storage.drive.tables import spaces as spaces_table
from storage.drive.uploads import EMPTY
from storage.errors import Changed, Locked, NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class Granted:
    """A lock, the resource it is on, and whether that was made for it."""

    lock: Lock
    node: Node
    is_new: bool


def take(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    actor: Actor,
    is_exclusive: bool = True,
    is_deep: bool = True,
    owner_xml: str = "",
    timeout_seconds: float | None = None,
    longest_seconds: float,
    expected: Expected = UNCONDITIONAL,
) -> Granted:
    """Lock a resource; where nothing is, make an empty file first (§7.3).

    No timeout asks for ever, and gets the longest. Raises Locked with the roots of the locks that
    conflict, ParentMissing, Changed, and NotAllowed for whoever is not a device.
    """
    device_id = locks.device_of(actor)
    if device_id is None:
        raise NotAllowed("Only devices take locks.")
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    conditions.check(tx, chain=chain, expected=expected)
    nodes.refuse_view(chain)
    _refuse_conflicts(tx, chain, is_exclusive=is_exclusive, is_deep=is_deep)
    node = chain.node or _make_empty(tx, chain, actor, expected)
    seconds = longest_seconds if timeout_seconds is None else min(timeout_seconds, longest_seconds)
    token = uuid.UUID(bytes=tx.random(16), version=4).urn
    values = {
        "token": token, "space_id": tree.space.id, "node_id": node.id,
        "scope": "exclusive" if is_exclusive else "shared",
        "depth": "infinity" if is_deep else "0", "owner_xml": owner_xml, "device_id": device_id,
        "created_at": tx.now, "expires_at": tx.now + timedelta(seconds=seconds),
    }  # fmt: skip
    tx.connection.execute(insert(locks_table).values(values))
    _audit(tx, "drive:lock:taken", chain, node.id, actor)
    return Granted(_get(tx, token), node, is_new=chain.node is None)


def refresh(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    actor: Actor,
    tokens: Collection[str],
    timeout_seconds: float | None = None,
    longest_seconds: float,
    expected: Expected = UNCONDITIONAL,
) -> Lock:
    """Make the lock that one of these tokens names run anew (§9.10.2).

    Raises Changed when none of them is a live lock of this device on this resource.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    conditions.check(tx, chain=chain, expected=expected)
    device_id = locks.device_of(actor)
    held = [
        lock
        for lock in locks.list_covering(tx, chain=chain)
        if lock.token in tokens and lock.device_id == device_id
    ]
    if not held:
        raise Changed("There is no such lock on this, or it has run out.")
    seconds = longest_seconds if timeout_seconds is None else min(timeout_seconds, longest_seconds)
    expires_at = tx.now + timedelta(seconds=seconds)
    mine = locks_table.c.token == held[0].token
    tx.connection.execute(update(locks_table).where(mine).values(expires_at=expires_at))
    _audit(tx, "drive:lock:refreshed", chain, held[0].node_id, actor)
    return _get(tx, held[0].token)


def release(tx: Tx, *, tree: Tree, path: Path, token: str, actor: Actor) -> None:
    """End a lock (§9.11).

    Raises NotFound when no live lock with this token is on this resource, NotAllowed when it is
    another device's.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    held = [lock for lock in locks.list_covering(tx, chain=chain) if lock.token == token]
    if not held:
        raise NotFound("There is no such lock on this.")
    if held[0].device_id != locks.device_of(actor):
        raise NotAllowed("This lock is another device's.")
    tx.connection.execute(delete(locks_table).where(locks_table.c.token == token))
    _audit(tx, "drive:lock:released", chain, held[0].node_id, actor)


def break_lock(tx: Tx, *, token: str, actor: Actor, account_id: int | None = None) -> Lock:
    """End anybody's lock, as an admin. Raises NotFound, also for another account's."""
    held = [lock for lock in list_locks(tx, account_id=account_id) if lock.token == token]
    if not held:
        raise NotFound("There is no such lock.")
    lock = held[0]
    tx.serialise_on("space", lock.space_id)
    tx.connection.execute(delete(locks_table).where(locks_table.c.token == token))
    changes.audit(
        tx,
        "drive:lock:broken",
        space=spaces.get(tx, lock.space_id),
        actor=actor,
        node_id=lock.node_id,
        label="/" + lock.href,
        details={"device_id": lock.device_id},
    )
    return lock


def list_locks(tx: Tx, *, account_id: int | None = None) -> list[Lock]:
    """Return every live lock, or those in one account's spaces, oldest first."""
    query = (
        select(*locks.all_columns())
        .join(spaces_table, spaces_table.c.id == locks_table.c.space_id)
        .where(locks_table.c.expires_at > tx.now)
        .order_by(locks_table.c.created_at, locks_table.c.token)
    )
    if account_id is not None:
        query = query.where(spaces_table.c.account_id == account_id)
    return locks.with_hrefs(tx, [locks.lock_of(row) for row in tx.connection.execute(query)])


def _refuse_conflicts(tx: Tx, chain: Chain, *, is_exclusive: bool, is_deep: bool) -> None:
    """Two locks get along only if both are shared (§6.1), whoever holds them."""
    own = frozenset() if chain.node is None else frozenset({chain.node.id})
    reach = Reach(own, frozenset(chain.ids), own if is_deep else frozenset())
    met = locks.find_reaching(tx, reach, space_id=chain.tree.space.id)
    hostile = [lock for lock in met if is_exclusive or lock.is_exclusive]
    if hostile:
        raise Locked("This is locked already.", paths=locks.hrefs_of(tx, hostile))


def _make_empty(tx: Tx, chain: Chain, actor: Actor, expected: Expected) -> Node:
    space = chain.tree.space
    reach = Reach.of_member(chain)
    locks.require(tx, reach, space_id=space.id, tokens=expected.lock_tokens, actor=actor)
    seq = changes.take_seq(tx, space.id)
    values = {"kind": "file", "etag": EMPTY.etag, "mtime": tx.now}
    node_id = nodes.insert_node(tx, chain=chain, seq=seq, actor=actor, values=values)
    deltas = dict.fromkeys(chain.folder_ids, 0)
    nodes.touch(tx, seq=seq, deltas=deltas, changed={chain.parent_id})
    change = Change(ChangeKind.PUT, seq, node_id, chain.path, None, chain.spot, {"size": 0})
    changes.record(tx, change, space=space, actor=actor)
    return nodes.get_by_id(tx, node_id)


def _get(tx: Tx, token: str) -> Lock:
    query = select(*locks.all_columns()).where(locks_table.c.token == token)
    return locks.with_hrefs(tx, [locks.lock_of(tx.connection.execute(query).one())])[0]


def _audit(tx: Tx, action: str, chain: Chain, node_id: int, actor: Actor) -> None:
    changes.audit(
        tx, action, space=chain.tree.space, actor=actor, node_id=node_id, label=str(chain.path)
    )
