"""Dead properties: what clients hang on a node, kept as the canonical XML that the door gives.

They follow a MOVE because they hang on the node's id; COPY copies them. Changing them changes
neither the etag nor the time of the content. Set and removed together, or not at all.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, conditions, locks, nodes
from storage.drive.changes import Change, ChangeKind
from storage.drive.conditions import UNCONDITIONAL, Expected
from storage.drive.nodes import Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.drive.tables import dead_properties
from storage.drive.tables import nodes as nodes_table
from storage.errors import Invalid, TooLarge

LARGEST_PROPERTY = 64 * 1024
"""In characters of XML."""

LARGEST_ALL = 1024 * 1024
"""For all properties of one node together."""

LONGEST_NAMESPACE = 512
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Property:
    """A dead property. `xml` is the whole element; None asks for its removal."""

    namespace: str
    name: str
    xml: str | None


_OF_NODE = (
    select(dead_properties.c.namespace, dead_properties.c.name, dead_properties.c.xml)
    .where(dead_properties.c.node_id == bindparam("node"))
    .order_by(dead_properties.c.namespace, dead_properties.c.name)
)
_OF_MEMBERS = (
    select(
        dead_properties.c.node_id, dead_properties.c.namespace, dead_properties.c.name,
        dead_properties.c.xml,
    )
    .join(nodes_table, nodes_table.c.id == dead_properties.c.node_id)
    .where(
        nodes_table.c.space_id == bindparam("space"),
        nodes_table.c.parent_id == bindparam("folder"),
        nodes_table.c.deleted_at.is_(None),
    )
    .order_by(dead_properties.c.node_id, dead_properties.c.namespace, dead_properties.c.name)
)  # fmt: skip

_WITH_MEMBERS = (
    select(
        dead_properties.c.node_id, dead_properties.c.namespace, dead_properties.c.name,
        dead_properties.c.xml,
    )
    .join(nodes_table, nodes_table.c.id == dead_properties.c.node_id)
    .where(
        or_(
            nodes_table.c.id == bindparam("folder"),
            nodes_table.c.parent_id == bindparam("folder"),
        ),
        nodes_table.c.deleted_at.is_(None),
    )
    .order_by(dead_properties.c.node_id, dead_properties.c.namespace, dead_properties.c.name)
)  # fmt: skip


def list_of(tx: Tx, *, node_id: int) -> list[Property]:
    """Return a node's dead properties, in a steady order."""
    return [Property(*row) for row in tx.connection.execute(_OF_NODE, {"node": node_id})]


def list_of_members(tx: Tx, *, space_id: int, folder_id: int) -> dict[int, list[Property]]:
    """Return the dead properties of a folder's members, by member, in one query."""
    values = {"space": space_id, "folder": folder_id}
    return _by_node(tx.connection.execute(_OF_MEMBERS, values).all())


def list_with_members(tx: Tx, *, folder_id: int) -> dict[int, list[Property]]:
    """Return the dead properties of a folder and of its members, by node, in one query."""
    return _by_node(tx.connection.execute(_WITH_MEMBERS, {"folder": folder_id}).all())


def list_of_nodes(tx: Tx, *, node_ids: Sequence[int]) -> dict[int, list[Property]]:
    """Return the dead properties of these nodes, by node, in one query: a thousand at most."""
    query = select(
        dead_properties.c.node_id, dead_properties.c.namespace, dead_properties.c.name,
        dead_properties.c.xml,
    ).where(dead_properties.c.node_id.in_(node_ids))  # fmt: skip
    ordered = query.order_by(
        dead_properties.c.node_id, dead_properties.c.namespace, dead_properties.c.name
    )
    return _by_node(tx.connection.execute(ordered).all())


def patch(
    tx: Tx,
    *,
    tree: Tree,
    path: Path,
    actor: Actor,
    instructions: Sequence[Property] = (),
    mtime: datetime | None = None,
    expected: Expected = UNCONDITIONAL,
) -> Node:
    """Set and remove properties in the order given (RFC 4918 §9.2), and the client's time.

    Raises NotFound, Changed, Locked, TooLarge when a property or all together get too large,
    Invalid for a name that can't be stored; then nothing was changed.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    conditions.check(tx, chain=chain, expected=expected)
    nodes.refuse_view(chain)
    node, space = chain.existing(), tree.space
    reach = locks.Reach.of_content(chain)
    locks.require(tx, reach, space_id=space.id, tokens=expected.lock_tokens, actor=actor)
    for instruction in instructions:
        _apply(tx, node.id, instruction)
    if instructions:
        _refuse_too_much(tx, node.id)
    seq = changes.take_seq(tx, space.id)
    mine = nodes_table.c.id == node.id
    values: dict[str, Any] = {  # Any: columns of all types
        "version": nodes_table.c.version + 1, "change_seq": seq,
        "mtime": node.mtime if mtime is None else mtime,
    }  # fmt: skip
    tx.connection.execute(update(nodes_table).where(mine).values(values))
    above = [node_id for node_id in chain.ids if node_id != node.id]
    nodes.touch(tx, seq=seq, deltas=dict.fromkeys(above, 0), keeps_etags=mtime is None)
    spot = None if path.is_root else chain.spot
    details = {"count": len(instructions), "mtime": mtime.isoformat() if mtime else None}
    change = Change(ChangeKind.PROPS, seq, node.id, path, spot, spot, details)
    changes.record(tx, change, space=space, actor=actor)
    return nodes.get_by_id(tx, node.id)


def _apply(tx: Tx, node_id: int, given: Property) -> None:
    if len(given.namespace) > LONGEST_NAMESPACE or not 1 <= len(given.name) <= LONGEST_NAME:
        raise Invalid("The name of a property is too long.", field="name")
    if given.xml is not None and len(given.xml) > LARGEST_PROPERTY:
        raise TooLarge("A property is larger than may be kept.")
    key = {"node_id": node_id, "name_hash": _hash_name(given)}
    same = and_(*(dead_properties.c[name] == value for name, value in key.items()))
    tx.connection.execute(delete(dead_properties).where(same))
    if given.xml is not None:
        names = {"namespace": given.namespace, "name": given.name}
        tx.connection.execute(insert(dead_properties).values(**key, **names, xml=given.xml))


def _hash_name(given: Property) -> bytes:
    return hashlib.sha256(f"{given.namespace}\0{given.name}".encode()).digest()


def _refuse_too_much(tx: Tx, node_id: int) -> None:
    query = select(func.sum(func.length(dead_properties.c.xml))).where(
        dead_properties.c.node_id == node_id
    )
    if (tx.connection.execute(query).scalar() or 0) > LARGEST_ALL:
        raise TooLarge("The properties of this are larger together than may be kept.")


def _by_node(rows: Iterable[Any]) -> dict[int, list[Property]]:  # Any: rows
    found: dict[int, list[Property]] = defaultdict(list)
    for node_id, namespace, name, xml in rows:
        found[node_id].append(Property(namespace, name, xml))
    return dict(found)
