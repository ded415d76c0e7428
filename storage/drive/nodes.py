"""Nodes: folders and files. Finding them by path, and what every change does to those above.

A path is resolved in one statement that brings the whole chain from the space's root, because
locks, conditions and the folders above a change all need it. Called by every module that reads or
changes the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, case, func, insert, select, update
from sqlalchemy.sql.expression import ColumnElement

from storage.audit import Actor
from storage.db import Tx
from storage.drive.blobs import BlobRef
from storage.drive.changes import Spot, credential_of
from storage.drive.paths import Path, href_of, xml_of
from storage.drive.spaces import Tree
from storage.drive.tables import blobs, nodes
from storage.errors import NotAllowed, NotFound, ParentMissing

_STEPS_AT_ONCE = 30  # SQLite joins at most 64 tables; deeper paths go on from where it ended


@dataclass(frozen=True, slots=True)
class Node:
    """A folder or a file as it stood in its transaction."""

    id: int
    space_id: int
    parent_id: int | None
    name: str
    kind: str
    blob_id: int | None
    size: int
    content_type: str | None
    etag: str
    mtime: datetime
    is_shared: bool
    colour: str | None
    version: int
    change_seq: int
    created_at: datetime
    modified_at: datetime
    modified_by: str | None
    blob_key: str | None
    sha256: bytes | None
    sha1: bytes | None
    md5: bytes | None

    @property
    def is_folder(self) -> bool:
        """Whether it can hold others."""
        return self.kind == "folder"

    @property
    def blob(self) -> BlobRef | None:
        """Where its bytes are; None for folders and for files without a byte."""
        return None if self.blob_key is None else BlobRef(self.blob_key, self.size)

    @property
    def spot(self) -> Spot:
        """Where it hangs. The root hangs nowhere and is never asked."""
        assert self.parent_id is not None  # callers have refused the root
        return Spot(self.parent_id, self.name)


@dataclass(frozen=True, slots=True)
class Step:
    """A node on the way to another: as much of it as the way needs."""

    id: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """A path and what is there of it, from the root on."""

    tree: Tree
    path: Path
    steps: tuple[Step, ...]
    node: Node | None

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of all that is there, the root first, the node itself included."""
        return tuple(step.id for step in self.steps)

    @property
    def folder_ids(self) -> tuple[int, ...]:
        """The ids of all folders above the path's end that are there."""
        return self.ids[: len(self.path.names)]

    @property
    def parent_id(self) -> int:
        """The id of the folder that the path's end is in, or would be.

        Raises ParentMissing when that is not there, or is a file.
        """
        depth = len(self.path.names)
        if depth == 0:
            raise NotAllowed("The top of a drive can't be made, moved or deleted.")
        if len(self.steps) < depth or not self.steps[depth - 1].is_folder:
            raise ParentMissing("The folder that this should be in is not there.")
        return self.steps[depth - 1].id

    @property
    def spot(self) -> Spot:
        """Where the path's end hangs, or would. Raises ParentMissing."""
        return Spot(self.parent_id, self.path.name)

    def existing(self) -> Node:
        """Return the node. Raises NotFound."""
        if self.node is None:
            raise NotFound("There is nothing at this address.")
        return self.node


_FULL = ("id", "space_id", "parent_id", "name", "kind", "blob_id", "size", "content_type", "etag",
         "mtime", "is_shared", "colour", "version", "change_seq", "created_at", "modified_at",
         "modified_by")  # fmt: skip
_OF_BLOB = {"blob_key": "storage_key", "sha256": "sha256", "sha1": "sha1", "md5": "md5"}
_FIELD_COUNT = len(_FULL) + len(_OF_BLOB)

_ALONE = (
    select(  # in the order of Node's fields
        *(nodes.c[name] for name in _FULL),
        *(blobs.c[column].label(name) for name, column in _OF_BLOB.items()),
    )
    .outerjoin(blobs, blobs.c.id == nodes.c.blob_id)
    .where(nodes.c.id == bindparam("id"))
)
_INSERT = insert(nodes).returning(nodes.c.id)


def find(tx: Tx, *, tree: Tree, path: Path) -> Chain:
    """Resolve a path and return as much of it as is there.

    In a tree that shows shared folders only, others are not there.
    """
    start = Step(tree.space.root_id, is_folder=True)
    steps = [start]
    node: Node | None = None
    names = path.names
    for offset in range(0, max(len(names), 1), _STEPS_AT_ONCE):
        part = names[offset : offset + _STEPS_AT_ONCE]
        row = _resolve(tx, tree, steps[-1].id, part, is_top=offset == 0)
        found = _steps(row, len(part))
        steps += found
        if len(found) < len(part):
            return Chain(tree, path, tuple(steps), None)
        node = _node(row)
    return Chain(tree, path, tuple(steps), node)


def get(tx: Tx, *, tree: Tree, path: Path) -> Chain:
    """Resolve a path to an existing node. Raises NotFound."""
    chain = find(tx, tree=tree, path=path)
    chain.existing()
    return chain


def get_by_id(tx: Tx, node_id: int) -> Node:
    """Return a node by its id, wherever it hangs, trashed ones too. Raises NotFound."""
    row = tx.connection.execute(_ALONE, {"id": node_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such file or folder.")
    return _node(row)


def open_for_change(tx: Tx, *, tree: Tree, path: Path) -> Chain:
    """Serialise on the space and resolve the path inside: the first lines of every change."""
    tx.serialise_on("space", tree.space.id)
    return find(tx, tree=tree, path=path)


def refuse_top(chain: Chain) -> None:
    """Refuse to move, replace or delete what a tree itself stands on.

    Raises NotAllowed for a root, and for a shared folder in the view that shares it.
    """
    if chain.path.is_root:
        raise NotAllowed("The top of a drive can't be made, moved or deleted.")
    if chain.tree.shared_only and len(chain.path.names) == 1:
        raise NotAllowed("What is shared with everyone is chosen in the account's own drive.")


def refuse_view(chain: Chain) -> None:
    """Refuse to act on the top of a shared view as if it were a folder.

    It stands on the whole drive's top, of which the view shows a part: copying or locking it
    would reach what is not shared. Raises NotAllowed.
    """
    if chain.tree.shared_only and chain.path.is_root:
        raise NotAllowed("This is a list of what is shared, not a folder.")


def insert_node(
    tx: Tx, *, chain: Chain, seq: int, actor: Actor, values: Mapping[str, object]
) -> int:
    """Insert a node at the end of the chain's path and return its id.

    Raises NotAllowed at the top of a shared view. The caller has looked that nothing is there,
    under the space's lock.
    """
    refuse_top(chain)
    row = {
        "space_id": chain.tree.space.id,
        "parent_id": chain.parent_id,
        **name_columns(chain.path.name),
        "change_seq": seq,
        "created_at": tx.now,
        "modified_at": tx.now,
        "modified_by": credential_of(actor),
        **values,
    }
    node_id: int = tx.connection.execute(_INSERT, row).scalar_one()
    return node_id


def name_columns(name: str) -> dict[str, object]:
    """Return a name as it is stored: as it is, and ready for URLs and XML."""
    return {"name": name, "name_href": href_of(name), "name_xml": xml_of(name)}


def folder_etag(tx: Tx, seq: int) -> str:
    """Return a new etag for every folder that this change reaches.

    The random part keeps a database that was restored from a backup, and counts the same numbers
    again, from giving the same etag to another state.
    """
    return f"{seq:x}-{tx.random(4).hex()}"


_TOUCH_WHERE = nodes.c.id.in_(bindparam("ids", expanding=True))
_TOUCH = (
    update(nodes)
    .where(_TOUCH_WHERE)
    .values(
        version=nodes.c.version + 1,
        size=nodes.c.size + bindparam("delta"),
        change_seq=bindparam("seq"),
        etag=func.coalesce(bindparam("new_etag"), nodes.c.etag),
        mtime=case(
            (nodes.c.id.in_(bindparam("changed", expanding=True)), bindparam("now")),
            else_=nodes.c.mtime,
        ),
    )
)


def touch(
    tx: Tx, *, seq: int, deltas: Mapping[int, int], changed: Iterable[int] = (),
    keeps_etags: bool = False,
) -> None:  # fmt: skip
    """Tell the folders above a change of it: `deltas` maps each to the bytes that it gained.

    Every one gets a new version and, unless only properties changed, a new etag; those in
    `changed` have won or lost a member, and get a new time.
    """
    etag = None if keeps_etags else folder_etag(tx, seq)
    for delta in sorted(set(deltas.values())):
        ids = [node_id for node_id, gained in deltas.items() if gained == delta]
        values = {
            "ids": ids, "delta": delta, "seq": seq, "new_etag": etag, "now": tx.now,
            "changed": list(changed),
        }  # fmt: skip
        tx.connection.execute(_TOUCH, values)


@cache
def _resolve_statement(depth: int, is_top: bool, shared_only: bool) -> Select[Any]:
    levels = [nodes.alias(f"n{level}") for level in range(depth + 1)]
    last = levels[-1]
    joined: Any = levels[0]  # Any: a table first, a join from then on
    for level in range(1, depth + 1):
        joined = joined.outerjoin(levels[level], _is_child(levels, level, is_top and shared_only))
    joined = joined.outerjoin(blobs, blobs.c.id == last.c.blob_id)
    way: list[ColumnElement[Any]] = []
    for level in range(1, depth + 1):
        way += [levels[level].c.id.label(f"id{level}"), levels[level].c.kind.label(f"kind{level}")]
    return (
        select(
            *(last.c[name] for name in _FULL),
            *(blobs.c[column].label(name) for name, column in _OF_BLOB.items()),
            *way,
        )
        .select_from(joined)
        .where(levels[0].c.id == bindparam("start"))
    )


def _is_child(levels: list[Any], level: int, shared_only: bool) -> ColumnElement[bool]:
    child, parent = levels[level], levels[level - 1]
    rules = [
        # All three of the index, and its condition: else neither database would use it.
        child.c.space_id == bindparam("space"),
        child.c.parent_id == parent.c.id,
        child.c.name == bindparam(f"name{level}"),
        child.c.deleted_at.is_(None),
    ]
    if shared_only and level == 1:
        rules.append(child.c.is_shared)
    return and_(*rules)


def _resolve(tx: Tx, tree: Tree, start: int, names: tuple[str, ...], *, is_top: bool) -> Row[Any]:
    statement = _resolve_statement(len(names), is_top, tree.shared_only)
    values: dict[str, object] = {"start": start, "space": tree.space.id}
    values |= {f"name{level}": name for level, name in enumerate(names, start=1)}
    return tx.connection.execute(statement, values).one()


def _steps(row: Row[Any], depth: int) -> list[Step]:
    way = row[_FIELD_COUNT:]
    steps = []
    for level in range(depth):
        node_id, kind = way[2 * level], way[2 * level + 1]
        if node_id is None:
            break
        steps.append(Step(node_id, is_folder=kind == "folder"))
    return steps


def _node(row: Row[Any]) -> Node:
    return Node(*row[:_FIELD_COUNT])
