"""The record of what changed in a space, and the numbers that order it.

Each mutation takes the next number of its space and leaves one row here, and one in the audit log,
in its own transaction. `sync` reads the rows. Called by every module that changes nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, delete, func, insert, select, update

from storage.audit import Actor, Category, Event, Target
from storage.audit import record as record_audit
from storage.db import Tx
from storage.drive.paths import Path
from storage.drive.spaces import Space
from storage.drive.tables import changes, spaces


class ChangeKind(StrEnum):
    """What was done. Stored; never renamed."""

    COPY = "copy"
    DELETE = "delete"
    MKDIR = "mkdir"
    MOVE = "move"
    PROPS = "props"
    PUT = "put"
    RESTORE = "restore"


_ACTIONS = {
    ChangeKind.COPY: "drive:node:copied",
    ChangeKind.DELETE: "drive:node:trashed",
    ChangeKind.MKDIR: "drive:folder:made",
    ChangeKind.MOVE: "drive:node:moved",
    ChangeKind.PROPS: "drive:properties:changed",
    ChangeKind.PUT: "drive:file:written",
    ChangeKind.RESTORE: "drive:node:restored",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a node hangs: in which folder, under which name."""

    parent_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done to one node. `before` is None when it was not there, `after` when it left."""

    kind: ChangeKind
    seq: int
    node_id: int
    path: Path
    before: Spot | None
    after: Spot | None
    details: Mapping[str, object] = field(default_factory=dict)


_TAKE_SEQ = (
    update(spaces)
    .where(spaces.c.id == bindparam("space"))
    .values(change_seq=spaces.c.change_seq + 1)
    .returning(spaces.c.change_seq)
)
_INSERT = insert(changes)


def credential_of(actor: Actor) -> str:
    """Return the short word that nodes, versions and changes keep of who did it."""
    return actor.type if actor.id is None else f"{actor.type}:{actor.id}"


def take_seq(tx: Tx, space_id: int) -> int:
    """Return the next number of the space. The caller has serialised on it."""
    seq: int = tx.connection.execute(_TAKE_SEQ, {"space": space_id}).scalar_one()
    return seq


def record(tx: Tx, change: Change, *, space: Space, actor: Actor) -> None:
    """Leave the change's row, and the audit log's."""
    before, after = change.before, change.after
    spot = after or before
    tx.connection.execute(
        _INSERT,
        {
            "space_id": space.id,
            "seq": change.seq,
            "node_id": change.node_id,
            "parent_id": after.parent_id if after else None,
            "name": spot.name if spot else "",
            "from_parent_id": before.parent_id if before else None,
            "from_name": before.name if before else None,
            "kind": change.kind,
            "credential": credential_of(actor),
            "at": tx.now,
        },
    )
    audit(
        tx,
        _ACTIONS[change.kind],
        space=space,
        actor=actor,
        node_id=change.node_id,
        label=str(change.path),
        details=change.details,
    )


def audit(
    tx: Tx,
    action: str,
    *,
    space: Space,
    actor: Actor,
    node_id: int | None,
    label: str,
    details: Mapping[str, object] | None = None,
) -> None:
    """Record an act on the drive that leaves no change row of its own: locks, purging."""
    event = Event(
        category=Category.DRIVE,
        action=action,
        actor=actor,
        target=Target(type="node", id=node_id, label=label),
        metadata={"space_id": space.id, **(details or {})},
    )
    record_audit(tx, event, account_id=space.account_id)


def compact(tx: Tx, *, space_id: int, before: datetime, limit: int = 1000) -> int:
    """Forget changes from before that moment, oldest first; return how many went.

    Sync tokens from before the newest one that went are refused from then on.
    """
    tx.serialise_on("space", space_id)
    of_space = changes.c.space_id == space_id
    oldest = select(changes.c.seq, changes.c.at).where(of_space).order_by(changes.c.seq)
    old = [row.seq for row in tx.connection.execute(oldest.limit(limit)) if row.at < before]
    if not old:
        return 0
    tx.connection.execute(delete(changes).where(of_space, changes.c.seq <= old[-1]))
    refuse_tokens_before(tx, space_id=space_id, seq=old[-1])
    return len(old)


def refuse_tokens_before(tx: Tx, *, space_id: int, seq: int) -> None:
    """Make the space refuse sync tokens that are older than this change."""
    tx.connection.execute(
        update(spaces)
        .where(spaces.c.id == space_id, spaces.c.compacted_seq < seq)
        .values(compacted_seq=seq)
    )


def count(tx: Tx, *, space_id: int) -> int:
    """Tell how many changes of the space are remembered."""
    query = select(func.count()).where(changes.c.space_id == space_id)
    return tx.connection.execute(query).scalar_one()
