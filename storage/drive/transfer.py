"""COPY and MOVE, of files and of whole trees: complete or refused, in one transaction.

A move within a space changes one row, whatever hangs below it. A copy is set-based and shares the
bytes. What either overwrites goes to the trash whole. A move to another space is a copy there and
a delete here, as node ids belong to one space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, conditions, copying, locks, nodes, trash, usage
from storage.drive.changes import Change, ChangeKind, credential_of
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.nodes import Chain, Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.drive.tables import nodes as nodes_table
from storage.drive.usage import NO_LIMIT, Quota
from storage.errors import Changed, NotAllowed


@dataclass(frozen=True, slots=True)
class Transferred:
    """What is at the target now, and whether nothing was there before."""

    node: Node
    is_new: bool


def move(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    target: Path,
    target_tree: Tree | None = None,
    actor: Actor,
    overwrites: bool = True,
    expected: Expected = UNCONDITIONAL,
    quota: Quota = NO_LIMIT,
    mtime: datetime | None = None,
) -> Transferred:
    """Move a file or folder to `target` (RFC 4918 §9.9).

    `expected` is about the source. Raises NotFound, ParentMissing, Changed (also when something
    is there and must not be overwritten), Locked, OverQuota (between spaces only), and NotAllowed
    for the top of a tree, for a target at or below the source, and for one above it.
    """
    source, goal = _resolve(tx, tree, path, target_tree or tree, target)
    conditions.check(tx, chain=source, expected=expected)
    node = source.existing()
    nodes.refuse_top(source)
    _refuse_entangled(source, goal)
    is_new = _check_target(goal, overwrites=overwrites)
    _require(tx, locks.Reach.of_removal(source), source, expected, actor)
    _require(tx, _reach_of(goal), goal, expected, actor)
    if goal.tree.space != source.tree.space:
        moved = _copy(tx, source, goal, quota=quota, is_deep=True, mtime=mtime, actor=actor)
        trash.discard(tx, chain=source, actor=actor)
        return Transferred(moved, is_new)
    if goal.node is not None:
        trash.discard(tx, chain=goal, actor=actor)
    _hang_elsewhere(tx, source, goal, mtime=mtime, actor=actor)
    return Transferred(nodes.get_by_id(tx, node.id), is_new)


def copy(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    target: Path,
    target_tree: Tree | None = None,
    actor: Actor,
    overwrites: bool = True,
    is_deep: bool = True,
    expected: Expected = UNCONDITIONAL,
    quota: Quota = NO_LIMIT,
    mtime: datetime | None = None,
) -> Transferred:
    """Copy a file, a folder with all that is in it, or only the folder (RFC 4918 §9.8).

    Dead properties are copied, locks are not. Raises what `move` does.
    """
    source, goal = _resolve(tx, tree, path, target_tree or tree, target)
    conditions.check(tx, chain=source, expected=expected)
    nodes.refuse_view(source)
    source.existing()
    _refuse_entangled(source, goal)
    is_new = _check_target(goal, overwrites=overwrites)
    _require(tx, _reach_of(goal), goal, expected, actor)
    made = _copy(tx, source, goal, quota=quota, is_deep=is_deep, mtime=mtime, actor=actor)
    return Transferred(made, is_new)


def _resolve(
    tx: Tx, tree: Tree, path: Path, target_tree: Tree, target: Path
) -> tuple[Chain, Chain]:
    # Always in the same order, or two transfers the other way round would wait for each other.
    for space_id in sorted({tree.space.id, target_tree.space.id}):
        tx.serialise_on("space", space_id)
    return nodes.find(tx, tree=tree, path=path), nodes.find(tx, tree=target_tree, path=target)


def _refuse_entangled(source: Chain, goal: Chain) -> None:
    """Refuse what can't be: a thing onto itself, into itself, or over a folder that holds it."""
    node = source.existing()
    if node.id in goal.ids:
        raise NotAllowed("A file or folder can't be put onto or into itself.")
    if goal.node is not None and goal.node.id in source.ids:
        raise NotAllowed("A folder can't be overwritten by something inside it.")


def _check_target(goal: Chain, *, overwrites: bool) -> bool:
    nodes.refuse_top(goal)
    goal.spot  # noqa: B018 (raises when the folder for it is not there)
    if goal.node is not None and not overwrites:
        raise Changed("There is something at the target already.")
    return goal.node is None


def _reach_of(goal: Chain) -> locks.Reach:
    if goal.node is None:
        return locks.Reach.of_member(goal)
    return locks.Reach.of_removal(goal)


def _require(tx: Tx, reach: locks.Reach, chain: Chain, expected: Expected, actor: Actor) -> None:
    space_id = chain.tree.space.id
    locks.require(tx, reach, space_id=space_id, tokens=expected.lock_tokens, actor=actor)


def _hang_elsewhere(
    tx: Tx, source: Chain, goal: Chain, *, mtime: datetime | None, actor: Actor
) -> None:
    node, space = source.existing(), source.tree.space
    seq = changes.take_seq(tx, space.id)
    locks.drop(tx, space_id=space.id, node_id=node.id)
    values: dict[str, object] = nodes.name_columns(goal.path.name) | {
        "parent_id": goal.parent_id,
        "change_seq": seq,
        "version": node.version + 1,
        "modified_by": credential_of(actor),
    }
    if mtime is not None:
        values["mtime"] = mtime
    if source.spot.parent_id != goal.parent_id:
        values["is_shared"] = False  # only top-level folders are, and by choice each
    mine = nodes_table.c.id == node.id
    tx.connection.execute(update(nodes_table).where(mine).values(values))
    changed = {source.spot.parent_id, goal.parent_id}
    nodes.touch(tx, seq=seq, deltas=_moved_bytes(source, goal, node.size), changed=changed)
    details = {"from": str(source.path), "to": str(goal.path)}
    change = Change(ChangeKind.MOVE, seq, node.id, goal.path, source.spot, goal.spot, details)
    changes.record(tx, change, space=space, actor=actor)


def _moved_bytes(source: Chain, goal: Chain, size: int) -> Mapping[int, int]:
    """Folders above both ends gain nothing; the others gain or lose the size once."""
    losing, gaining = set(source.folder_ids), set(goal.folder_ids)
    deltas = dict.fromkeys(losing & gaining, 0)
    deltas |= dict.fromkeys(losing - gaining, -size)
    return deltas | dict.fromkeys(gaining - losing, size)


def _copy(
    tx: Tx,
    source: Chain,
    goal: Chain,
    *,
    quota: Quota,
    is_deep: bool,
    mtime: datetime | None,
    actor: Actor,
) -> Node:
    node, space = source.existing(), goal.tree.space
    size = 0 if node.is_folder and not is_deep else node.size
    usage.require_room(tx, space=space, quota=quota, wanted=size)
    if goal.node is not None:
        trash.discard(tx, chain=goal, actor=actor)
    seq = changes.take_seq(tx, space.id)
    node_id = copying.copy_rows(
        tx, source=source, goal=goal, seq=seq, is_deep=is_deep, mtime=mtime, actor=actor
    )
    deltas = dict.fromkeys(goal.folder_ids, size)
    nodes.touch(tx, seq=seq, deltas=deltas, changed={goal.parent_id})
    usage.add(tx, space_id=space.id, used=size)
    details = {"from": str(source.path), "to": str(goal.path), "size": size}
    change = Change(ChangeKind.COPY, seq, node_id, goal.path, None, goal.spot, details)
    changes.record(tx, change, space=space, actor=actor)
    return nodes.get_by_id(tx, node_id)
