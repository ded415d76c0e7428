"""Listings: a folder's members, or all below it, as plain rows made for rendering.

One query whatever the number of members; names come ready for URLs and XML. Rows can be had all at
once or one after the other from a server-side cursor. Dead properties and locks of members have
one query each, in `properties` and `locks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, literal, or_, select
from sqlalchemy.sql import Join

from storage.db import Tx
from storage.drive.tables import blobs, nodes

COLUMNS = (
    nodes.c.id, nodes.c.parent_id, nodes.c.name, nodes.c.name_href, nodes.c.name_xml,
    nodes.c.kind, nodes.c.size, nodes.c.content_type, nodes.c.etag, nodes.c.mtime,
    nodes.c.created_at, nodes.c.version, nodes.c.change_seq, nodes.c.is_shared, nodes.c.colour,
    blobs.c.sha256, blobs.c.sha1, blobs.c.md5,
)  # fmt: skip
"""What every row has, by these names; deep listings add `href`, relative to their top."""

ListedRow = Row[*tuple[Any, ...]]  # Any: its columns have all types
_AT_ONCE = 1000


def with_bytes() -> Join:
    """Return nodes joined with their bytes, if they have any."""
    return nodes.outerjoin(blobs, blobs.c.id == nodes.c.blob_id)


def list_members(
    tx: Tx, *, folder_id: int, space_id: int, hides_clutter: bool = False, shared_only: bool = False
) -> Sequence[ListedRow]:
    """Return a folder's members by name. `shared_only` is for the root of a shared view."""
    statement = _members(hides_clutter, shared_only)
    return tx.connection.execute(statement, {"folder": folder_id, "space": space_id}).all()


def iter_members(
    tx: Tx, *, folder_id: int, space_id: int, hides_clutter: bool = False, shared_only: bool = False
) -> Iterator[ListedRow]:
    """Give a folder's members by name without holding them all; `tx` must stay open."""
    values = {"folder": folder_id, "space": space_id}
    streaming = tx.connection.execution_options(yield_per=_AT_ONCE)
    yield from streaming.execute(_members(hides_clutter, shared_only), values)


def iter_below(
    tx: Tx, *, folder_id: int, hides_clutter: bool = False, shared_only: bool = False
) -> Iterator[ListedRow]:
    """Give everything below a folder, each with its `href` relative to it, parents first.

    A folder's `href` ends in a slash.
    """
    below = subtree([folder_id], shared_only=shared_only)
    query = (
        select(*COLUMNS, below.c.href)
        .select_from(with_bytes().join(below, below.c.id == nodes.c.id))
        .where(nodes.c.id != folder_id)
        .order_by(below.c.depth, below.c.href)
    )
    if hides_clutter:
        query = query.where(_is_no_clutter())
    yield from tx.connection.execution_options(yield_per=_AT_ONCE).execute(query)


def has_more_than(tx: Tx, *, folder_id: int, limit: int) -> bool:
    """Tell whether more than so many nodes are below a folder, without counting them all."""
    below = subtree([folder_id])
    query = select(below.c.id).limit(limit + 2)
    return len(tx.connection.execute(query).all()) > limit + 1


def subtree(
    tops: Sequence[int], *, shared_only: bool = False, except_ids: Select[Any] | None = None
) -> Any:  # Any: a CTE, whose columns mypy can't know
    """Return a recursive query for all below `tops`, these included, as columns of a CTE.

    `id`, `parent_id`, `depth` and `top_id`, and `href`: the encoded way from the top, folders
    with a slash at the end. What is in the trash hangs nowhere, so that it is never met.
    """
    start = select(
        nodes.c.id, nodes.c.parent_id, literal(0).label("depth"), nodes.c.id.label("top_id"),
        literal("").label("href"), nodes.c.kind,
    ).where(nodes.c.id.in_(tops))  # fmt: skip
    below = start.cte("below", recursive=True)
    tail = case((nodes.c.kind == "folder", "/"), else_="")
    members = select(
        nodes.c.id, nodes.c.parent_id, below.c.depth + 1, below.c.top_id,
        below.c.href.concat(nodes.c.name_href).concat(tail), nodes.c.kind,
    ).join(below, nodes.c.parent_id == below.c.id)  # fmt: skip
    if shared_only:
        members = members.where(or_(below.c.depth > 0, nodes.c.is_shared))
    if except_ids is not None:
        members = members.where(nodes.c.id.not_in(except_ids))
    return below.union_all(members)


def _is_no_clutter() -> ColumnElement[bool]:
    # What Finder leaves beside every file. It is hidden, not refused: Finder reads it by name.
    is_side_file = nodes.c.name.startswith("._", autoescape=True)
    return and_(~is_side_file, nodes.c.name != ".DS_Store")


@cache
def _members(hides_clutter: bool, shared_only: bool) -> Select[Any]:
    query = (
        select(*COLUMNS)
        .select_from(with_bytes())
        .where(
            nodes.c.space_id == bindparam("space"),
            nodes.c.parent_id == bindparam("folder"),
            nodes.c.deleted_at.is_(None),
        )
        .order_by(nodes.c.name)
    )
    if hides_clutter:
        query = query.where(_is_no_clutter())
    return query.where(nodes.c.is_shared) if shared_only else query
