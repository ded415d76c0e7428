"""Spaces: the trees that accounts and mailboxes have, and the views of them that a device gets.

A space is made with its root folder and its usage row when it is first needed. Called by the doors
once for each request; every other module takes the `Space` or `Tree` that comes from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, bindparam, insert, select

from storage.audit import SYSTEM, Category, Event, Target, record
from storage.db import Tx
from storage.drive.tables import nodes, spaces, usage
from storage.errors import NotFound


class SpaceKind(StrEnum):
    """Whose tree it is."""

    ACCOUNT = "account_drive"
    MAILBOX = "mailbox_personal"


@dataclass(frozen=True, slots=True)
class Space:
    """A tree with a root of its own."""

    id: int
    account_id: int
    kind: SpaceKind
    mailbox_id: int | None
    root_id: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A space as one device sees it.

    With `shared_only`, only those top-level folders exist that are shared with everyone, and
    what holds them (making, moving, deleting one) is out of reach.
    """

    space: Space
    shared_only: bool = False


_COLUMNS = (
    spaces.c.id, spaces.c.account_id, spaces.c.kind, spaces.c.mailbox_id,
    nodes.c.id.label("root_id"),
)  # fmt: skip


def _query() -> Select[Any]:
    is_root = (nodes.c.space_id == spaces.c.id) & nodes.c.parent_id.is_(None)
    return select(*_COLUMNS).join(nodes, is_root & nodes.c.deleted_at.is_(None))


_OF_ACCOUNT = _query().where(
    spaces.c.account_id == bindparam("account_id"), spaces.c.mailbox_id.is_(None)
)
_OF_MAILBOX = _query().where(
    spaces.c.account_id == bindparam("account_id"), spaces.c.mailbox_id == bindparam("mailbox_id")
)
_ALL = _query().order_by(spaces.c.id)


def find(tx: Tx, *, account_id: int, mailbox_id: int | None = None) -> Space | None:
    """Return the account's drive, or the mailbox's own; None when nobody has used it yet."""
    if mailbox_id is None:
        row = tx.connection.execute(_OF_ACCOUNT, {"account_id": account_id}).one_or_none()
    else:
        values = {"account_id": account_id, "mailbox_id": mailbox_id}
        row = tx.connection.execute(_OF_MAILBOX, values).one_or_none()
    return None if row is None else _space(row)


def ensure(tx: Tx, *, account_id: int, mailbox_id: int | None = None) -> Space:
    """Return the account's drive, or the mailbox's own, and make it when it is not there.

    The caller vouches that the mailbox belongs to the account.
    """
    found = find(tx, account_id=account_id, mailbox_id=mailbox_id)
    if found is not None:
        return found
    tx.serialise_on("spaces", account_id)
    found = find(tx, account_id=account_id, mailbox_id=mailbox_id)
    return found or _create(tx, account_id, mailbox_id)


def get(tx: Tx, space_id: int) -> Space:
    """Return a space by its id, for work that no device asked for. Raises NotFound."""
    row = tx.connection.execute(_query().where(spaces.c.id == space_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such drive.")
    return _space(row)


def list_spaces(tx: Tx, *, account_id: int | None = None) -> list[Space]:
    """Return every space, or those of one account, oldest first."""
    query = _ALL if account_id is None else _ALL.where(spaces.c.account_id == account_id)
    return [_space(row) for row in tx.connection.execute(query)]


def _create(tx: Tx, account_id: int, mailbox_id: int | None) -> Space:
    kind = SpaceKind.ACCOUNT if mailbox_id is None else SpaceKind.MAILBOX
    values = {
        "account_id": account_id, "kind": kind, "mailbox_id": mailbox_id, "created_at": tx.now,
    }  # fmt: skip
    space_id = tx.connection.execute(insert(spaces).values(values).returning(spaces.c.id)).scalar()
    assert space_id is not None  # it was just made
    root = {
        "space_id": space_id, "name": "", "name_href": "", "kind": "folder",
        "etag": f"0-{tx.random(4).hex()}", "mtime": tx.now, "change_seq": 0,
        "created_at": tx.now, "modified_at": tx.now,
    }  # fmt: skip
    root_id = tx.connection.execute(insert(nodes).values(root).returning(nodes.c.id)).scalar()
    assert root_id is not None  # it was just made
    tx.connection.execute(insert(usage).values(space_id=space_id, account_id=account_id))
    event = Event(
        category=Category.DRIVE,
        action="drive:space:made",
        actor=SYSTEM,
        target=Target(type="space", id=space_id, label=kind),
        metadata={"mailbox_id": mailbox_id},
    )
    record(tx, event, account_id=account_id)
    return Space(space_id, account_id, kind, mailbox_id, root_id)


def _space(row: Row[Any]) -> Space:
    return Space(row.id, row.account_id, SpaceKind(row.kind), row.mailbox_id, row.root_id)
