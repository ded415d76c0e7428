"""Sharing a top-level folder of the account's drive with everyone who has a mailbox."""

from __future__ import annotations

from sqlalchemy import update

from storage.audit import Actor
from storage.db import Tx
from storage.drive import changes, nodes
from storage.drive.changes import Change, ChangeKind
from storage.drive.nodes import Node
from storage.drive.paths import Path
from storage.drive.spaces import SpaceKind, Tree
from storage.drive.tables import nodes as nodes_table
from storage.errors import Invalid


def set_shared(tx: Tx, *, tree: Tree, path: Path, is_shared: bool, actor: Actor) -> Node:
    """Share a folder with everyone, or stop; return it.

    Raises NotFound, and Invalid for what is not a top-level folder of an account's drive.
    """
    chain = nodes.open_for_change(tx, tree=tree, path=path)
    node, space = chain.existing(), tree.space
    if tree.shared_only or space.kind != SpaceKind.ACCOUNT or len(path.names) != 1:
        raise Invalid("Only top-level folders of the account's drive are shared.", field="path")
    if not node.is_folder:
        raise Invalid("Only folders are shared.", field="path")
    seq = changes.take_seq(tx, space.id)
    values = {"is_shared": is_shared, "change_seq": seq, "version": node.version + 1}
    mine = nodes_table.c.id == node.id
    tx.connection.execute(update(nodes_table).where(mine).values(values))
    nodes.touch(tx, seq=seq, deltas={space.root_id: 0}, keeps_etags=True)
    details = {"is_shared": is_shared}
    change = Change(ChangeKind.PROPS, seq, node.id, path, chain.spot, chain.spot, details)
    changes.record(tx, change, space=space, actor=actor)
    return nodes.get_by_id(tx, node.id)
