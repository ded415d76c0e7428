"""A space's tree as it was after some change, worked out from the changes that followed.

A node that no later change touched hangs where it hangs now; the first change that did says where
it hung before. Called by `sync`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from storage.db import Tx
from storage.drive.changes import Spot
from storage.drive.nodes import Node
from storage.drive.tables import changes, nodes


def read_changes(tx: Tx, *, space_id: int, since: int, limit: int) -> Sequence[Any]:  # Any: rows
    """Return the changes of a space after `since`, oldest first."""
    query = (
        select(
            changes.c.seq, changes.c.node_id, changes.c.parent_id, changes.c.name,
            changes.c.from_parent_id, changes.c.from_name,
        )
        .where(changes.c.space_id == space_id, changes.c.seq > since)
        .order_by(changes.c.seq)
        .limit(limit)
    )  # fmt: skip
    return tx.connection.execute(query).all()


class PastTree:
    """The tree below a folder after the change `seq`, from all `later` ones.

    `touched` and `relocated` are the nodes that these changed up to the change `until`, and
    changed the place of.
    """

    def __init__(self, tx: Tx, folder: Node, later: Sequence[Any], *, seq: int, until: int) -> None:
        self._tx = tx
        self._folder = folder
        self._spots: dict[int, Spot | None] = {}
        self._members: dict[int, dict[str, int]] = {}
        self._rows: dict[int, Any] = {}  # Any: rows of nodes
        self._ids: dict[tuple[int, str], int] = {}
        self.seq = seq
        self.touched: set[int] = set()
        self.relocated: set[int] = set()
        for row in later:
            before, after = _spots_of(row)
            self._spots.setdefault(row.node_id, before)
            if row.seq > until:
                continue
            self.touched.add(row.node_id)
            if before != after:
                self.relocated.add(row.node_id)
        for node_id, spot in self._spots.items():
            if spot is not None:
                self._ids[spot.parent_id, spot.name] = node_id

    def spot(self, node_id: int) -> Spot | None:
        """Return where a node hung; None when it did not."""
        if node_id in self._spots:
            return self._spots[node_id]
        row = self._row(node_id)
        return None if row is None or row.parent_id is None else Spot(row.parent_id, row.name)

    def names_of(self, node_id: int) -> tuple[str, ...] | None:
        """Return the names that led from the folder to a node; None when none did."""
        names: list[str] = []
        while node_id != self._folder.id:
            spot = self.spot(node_id)
            if spot is None:
                return None
            names.append(spot.name)
            node_id = spot.parent_id
        return tuple(reversed(names))

    def at(self, node_id: int, names: Sequence[str]) -> int | None:
        """Follow names down from a node."""
        for name in names:
            child = self.child(node_id, name)
            if child is None:
                return None
            node_id = child
        return node_id

    def child(self, folder_id: int, name: str) -> int | None:
        """Return the member of that name."""
        if folder_id in self._members:
            return self._members[folder_id].get(name)
        if (folder_id, name) in self._ids:
            return self._ids[folder_id, name]
        query = select(nodes.c.id).where(
            nodes.c.space_id == self._folder.space_id,
            nodes.c.parent_id == folder_id,
            nodes.c.name == name,
            nodes.c.deleted_at.is_(None),
        )
        found = self._tx.connection.execute(query).scalar()
        return None if found in self._spots else found

    def children(self, folder_id: int) -> dict[str, int]:
        """Return a folder's members by name."""
        if folder_id not in self._members:
            query = select(nodes.c.id, nodes.c.name).where(nodes.c.parent_id == folder_id)
            members = {
                row.name: row.id
                for row in self._tx.connection.execute(query)
                if row.id not in self._spots
            }
            members |= {
                name: node_id for (above, name), node_id in self._ids.items() if above == folder_id
            }
            self._members[folder_id] = members
        return self._members[folder_id]

    def is_folder(self, node_id: int) -> bool:
        """Tell what a node is. One that was purged was a file: for folders tokens are refused."""
        row = self._row(node_id)
        return row is not None and row.kind == "folder"

    def current_chain(self, node_id: int) -> list[tuple[int, str]] | None:
        """Return a node and all above it up to the folder, as they hang now, lowest first."""
        chain: list[tuple[int, str]] = []
        while node_id != self._folder.id:
            row = self._row(node_id)
            if row is None or row.parent_id is None:
                return None
            chain.append((node_id, row.name))
            node_id = row.parent_id
        return chain

    def _row(self, node_id: int) -> Any:  # Any: a row of a node, or None
        if node_id not in self._rows:
            query = select(nodes.c.id, nodes.c.parent_id, nodes.c.name, nodes.c.kind).where(
                nodes.c.id == node_id, nodes.c.space_id == self._folder.space_id
            )
            self._rows[node_id] = self._tx.connection.execute(query).one_or_none()
        return self._rows[node_id]


def _spots_of(row: Any) -> tuple[Spot | None, Spot | None]:  # Any: a row of a change
    before = None if row.from_parent_id is None else Spot(row.from_parent_id, row.from_name)
    after = None if row.parent_id is None else Spot(row.parent_id, row.name)
    return before, after
