"""Making folders."""

from __future__ import annotations

from datetime import datetime

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, conditions, locks, nodes
from storage.drive.changes import Change, ChangeKind
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.nodes import Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.errors import AlreadyExists


def make(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    actor: Actor,
    expected: Expected = UNCONDITIONAL,
    mtime: datetime | None = None,
) -> Node:
    """Make an empty folder and return it (RFC 4918 §9.3).

    Raises AlreadyExists when something is there, ParentMissing, Changed, Locked, and NotAllowed
    at the top of a shared view.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    if path.is_root or chain.node is not None:
        raise AlreadyExists("There is something of that name already.")
    conditions.check(tx, chain=chain, expected=expected)
    reach = locks.Reach.of_member(chain)
    locks.require(tx, reach, space_id=tree.space.id, tokens=expected.lock_tokens, actor=actor)
    seq = changes.take_seq(tx, tree.space.id)
    values = {"kind": "folder", "etag": nodes.folder_etag(tx, seq), "mtime": mtime or tx.now}
    node_id = nodes.insert_node(tx, chain=chain, seq=seq, actor=actor, values=values)
    deltas = dict.fromkeys(chain.folder_ids, 0)
    nodes.touch(tx, seq=seq, deltas=deltas, changed={chain.parent_id})
    change = Change(ChangeKind.MKDIR, seq, node_id, path, None, chain.spot)
    changes.record(tx, change, space=tree.space, actor=actor)
    return nodes.get_by_id(tx, node_id)
