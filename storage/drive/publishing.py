"""The short transaction that makes a staged body the content of a file, and what leads up to it.

`publish` is where every rule about a write is checked for the last time. `receive` does a whole
PUT around it: room reserved, bytes staged, published, and given back when anything says no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import bindparam, insert, update

from storage.audit import Actor
from storage.db import Database, Tx
from storage.drive import changes, conditions, locks, nodes, uploads, usage
from storage.drive.blobs import BlobStore, ByteSource
from storage.drive.changes import Change, ChangeKind, credential_of
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.nodes import Chain, Node
from storage.drive.paths import Path
from storage.drive.spaces import Space, Tree
from storage.drive.tables import nodes as nodes_table
from storage.drive.tables import versions
from storage.drive.uploads import ANYTHING, Staged, Wanted
from storage.drive.usage import NO_LIMIT, Quota, Reservation
from storage.errors import AlreadyExists, OverQuota, Unavailable

Result = TypeVar("Result")

LEASE_SECONDS = 900.0
"""How long an upload's room outlives the process that was receiving it."""

_RESERVED_FROM_BYTES = 4 * 1024 * 1024  # below, a transaction more would cost more than it saves
_PULSE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Published:
    """A file with its new content, and whether it was not there before."""

    node: Node
    is_new: bool


_INSERT_VERSION = insert(versions)
_REPLACE = (
    update(nodes_table)
    .where(nodes_table.c.id == bindparam("node"))
    .values(
        version=nodes_table.c.version + 1,
        **{
            name: bindparam(f"new_{name}")
            for name in (
                "blob_id", "size", "content_type", "etag", "mtime", "change_seq", "modified_at",
                "modified_by",
            )
        },
    )
)  # fmt: skip


def publish(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    staged: Staged,
    actor: Actor,
    expected: Expected = UNCONDITIONAL,
    quota: Quota = NO_LIMIT,
    reservation: Reservation | None = None,
    content_type: str | None = None,
    mtime: datetime | None = None,
) -> Published:
    """Make a staged body the content of the file at `path`; what it replaces becomes a version.

    Raises AlreadyExists when a folder is there, ParentMissing, Changed, Locked, OverQuota,
    NotAllowed at the top of a shared view, Unavailable when the staged body is too old.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    check_write(tx, chain=chain, actor=actor, expected=expected)
    usage.release(tx, reservation=reservation)
    added = _added_bytes(chain.node, staged)
    usage.require_room(tx, space=tree.space, quota=quota, wanted=added)
    seq = changes.take_seq(tx, tree.space.id)
    written = {
        "size": staged.size, "content_type": content_type, "etag": staged.etag,
        "mtime": mtime or tx.now,
    }  # fmt: skip
    if chain.node is None:
        values = {**written, "kind": "file", "blob_id": uploads.insert_blob(tx, staged=staged)}
        node_id = nodes.insert_node(tx, chain=chain, seq=seq, actor=actor, values=values)
    else:
        node_id = chain.node.id
        blob_id = _swap_content(tx, chain.node, staged, actor)
        replace_content(tx, node_id, {**written, "blob_id": blob_id}, seq=seq, actor=actor)
    _tell_others(tx, chain, node_id, staged, seq=seq, added=added, actor=actor)
    return Published(nodes.get_by_id(tx, node_id), is_new=chain.node is None)


def check_write(tx: Tx, *, chain: Chain, actor: Actor, expected: Expected) -> None:
    """Refuse a write that conditions, locks or the tree itself forbid.

    A courtesy before the body is read, the last word in `publish`. Raises what that does.
    """
    if chain.path.is_root or (chain.node is not None and chain.node.is_folder):
        raise AlreadyExists("There is a folder of that name already.")
    conditions.check(tx, chain=chain, expected=expected)
    if chain.node is None:
        nodes.refuse_top(chain)
        reach = locks.Reach.of_member(chain)
    else:
        reach = locks.Reach.of_content(chain)
    tokens = expected.lock_tokens
    locks.require(tx, reach, space_id=chain.tree.space.id, tokens=tokens, actor=actor)


def precheck(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    actor: Actor,
    expected: Expected = UNCONDITIONAL,
    quota: Quota = NO_LIMIT,
    size: int | None = None,
) -> Chain:
    """Refuse before the body is read what `publish` would refuse after it, as far as one can see.

    A courtesy: nothing rests on it. Changes nothing. Raises what `publish` does.
    """
    chain = nodes.find(tx, tree=tree, path=path)
    check_write(tx, chain=chain, actor=actor, expected=expected)
    room = None if size is None else usage.find_room(tx, space=tree.space, quota=quota)
    if room is not None and size is not None and size > room:
        raise OverQuota("There is not enough room left for this.")
    return chain


def receive(
    database: Database,
    blobs: BlobStore,
    source: ByteSource,
    *,
    space: Space,
    publishing: Callable[[Tx, Staged, Reservation | None], Result],
    wanted: Wanted = ANYTHING,
    quota: Quota = NO_LIMIT,
    spare: int = 0,
    keeps_checksums: bool = True,
) -> Result:
    """Stage a body and run `publishing` in a transaction; leave nothing when either fails.

    `publishing` calls `publish`, or whatever else makes the body somebody's. It must hand the
    reservation to it, or release it. Where there is a limit, room for a long body of known length
    is reserved first; without a length, what is left of the quota now is as far as it may go.
    `spare` bytes are reserved for it already. Raises what `stage` and `publishing` do.
    """
    staged: Staged | None = None
    wanted, reservation = _make_room(database, space, quota, wanted, spare)

    def renew() -> None:
        if reservation is not None:
            database.write(
                lambda tx: usage.renew(tx, reservation=reservation, lease_seconds=LEASE_SECONDS)
            )

    try:
        staged = uploads.stage(
            blobs,
            source,
            wanted=wanted,
            while_reading=renew,
            pulse_seconds=_PULSE_SECONDS,
            keeps_checksums=keeps_checksums,
        )
        body = staged
        return database.write(lambda tx: publishing(tx, body, reservation))
    except BaseException:
        _give_back(database, blobs, staged, reservation)
        raise


def replace_content(
    tx: Tx, node_id: int, values: Mapping[str, object], *, seq: int, actor: Actor
) -> None:
    """Write a file's new content and what is known of it into its row."""
    everything = {
        **values, "change_seq": seq, "modified_at": tx.now, "modified_by": credential_of(actor),
    }  # fmt: skip
    bound = {f"new_{name}": value for name, value in everything.items()}
    tx.connection.execute(_REPLACE, {"node": node_id, **bound})


def keep_version(tx: Tx, node: Node, *, actor: Actor) -> None:
    """Keep what a file holds now as a version; nothing is kept of an empty file."""
    if node.size == 0:
        return
    values = {
        "node_id": node.id, "blob_id": node.blob_id, "size": node.size, "etag": node.etag,
        "mtime": node.mtime, "replaced_at": tx.now, "replaced_by": credential_of(actor),
    }  # fmt: skip
    tx.connection.execute(_INSERT_VERSION, values)


def _make_room(
    database: Database, space: Space, quota: Quota, wanted: Wanted, spare: int
) -> tuple[Wanted, Reservation | None]:
    if quota == NO_LIMIT:
        return wanted, None
    if wanted.size is None:
        room = database.read(lambda tx: usage.find_room(tx, space=space, quota=quota))
        return replace(wanted, room=None if room is None else room + spare), None
    missing = wanted.size - spare
    if missing < _RESERVED_FROM_BYTES:
        return wanted, None

    def reserve(tx: Tx) -> Reservation | None:
        return usage.reserve(
            tx, space=space, quota=quota, wanted=missing, lease_seconds=LEASE_SECONDS
        )

    return wanted, database.write(reserve)


def _added_bytes(node: Node | None, staged: Staged) -> int:
    """What is replaced still counts, as a version; the same bytes again add nothing."""
    return 0 if node is not None and node.etag == staged.etag else staged.size


def _swap_content(tx: Tx, node: Node, staged: Staged, actor: Actor) -> int | None:
    if node.etag == staged.etag:
        # Sent again, as clients do to mend a time: no version of it, and no second copy kept.
        uploads.insert_blob(tx, staged=staged, state=uploads.RELEASED)
        return node.blob_id
    keep_version(tx, node, actor=actor)
    return uploads.insert_blob(tx, staged=staged)


def _tell_others(
    tx: Tx, chain: Chain, node_id: int, staged: Staged, *, seq: int, added: int, actor: Actor
) -> None:
    spot, old = chain.spot, chain.node
    grown = staged.size - (old.size if old else 0)
    changed = () if old else (spot.parent_id,)
    nodes.touch(tx, seq=seq, deltas=dict.fromkeys(chain.folder_ids, grown), changed=changed)
    usage.add(tx, space_id=chain.tree.space.id, used=added)
    details = {"size": staged.size, "etag": staged.etag, "is_new": old is None}
    before = spot if old else None
    change = Change(ChangeKind.PUT, seq, node_id, chain.path, before, spot, details)
    changes.record(tx, change, space=chain.tree.space, actor=actor)


def _give_back(
    database: Database, blobs: BlobStore, staged: Staged | None, reservation: Reservation | None
) -> None:
    # What can't be given back now is found by the sweeper; the first error is the one to tell.
    try:
        uploads.discard(database, blobs, staged)
        if reservation is not None:
            database.write(lambda tx: usage.release(tx, reservation=reservation))
    except Unavailable:
        return
