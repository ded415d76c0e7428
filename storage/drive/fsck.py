"""Does what is kept agree with itself? Compares tree, bytes and counters, and mends nothing.

Gives findings as it goes, and progress in between. May run beside a working server: what looks
wrong is looked at once more before it is told, since it may have changed meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Select, func, or_, select, union

from storage.db import Database, Tx
from storage.drive import spaces, usage
from storage.drive.blobs import BlobRef, BlobStore
from storage.drive.paths import href_of, xml_of
from storage.drive.tables import blobs as blobs_table
from storage.drive.tables import locks, node_copies, nodes, upload_parts, versions
from storage.drive.tables import spaces as spaces_table
from storage.drive.uploads import EMPTY, ORPHAN, etag_of
from storage.errors import NotFound

_READ_BYTES = 1024 * 1024
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: what it is about, its id, and what is wrong."""

    subject: str
    id: int
    what: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: so many of so many, of which kind of thing."""

    what: str
    done: int
    total: int


def check(
    database: Database, blobs: BlobStore, *, deep: bool = False
) -> Iterator[Finding | Progress]:
    """Look at everything; with `deep`, read every stored byte and compare its hash.

    Raises Unavailable when the database or the store is away.
    """
    for name, examine in _TREE_CHECKS.items():
        yield from _confirmed(database, examine)
        yield Progress(name, 1, 1)
    yield from _confirmed(database, _check_usage)
    yield from _check_blobs(database, blobs, deep=deep)


Examine = Callable[[Tx], list[Finding]]


def _confirmed(database: Database, examine: Examine) -> Iterator[Finding]:
    found = database.read(examine)
    if found:
        again = set(database.read(examine))
        yield from (finding for finding in found if finding in again)


def _check_parents(tx: Tx) -> list[Finding]:
    above = nodes.alias("above")
    query = (
        select(nodes.c.id)
        .join(above, above.c.id == nodes.c.parent_id)
        .where(or_(above.c.kind != "folder", above.c.space_id != nodes.c.space_id))
    )
    found = [
        Finding("node", row.id, "hangs in a file, or in another drive")
        for row in tx.connection.execute(query)
    ]
    roots = (
        select(nodes.c.space_id, func.count())
        .where(nodes.c.parent_id.is_(None), nodes.c.deleted_at.is_(None))
        .group_by(nodes.c.space_id)
    )
    counts: dict[int, int] = {row[0]: row[1] for row in tx.connection.execute(roots)}
    return found + [
        Finding("space", space_id, "does not have exactly one top folder")
        for space_id in tx.connection.scalars(select(spaces_table.c.id))
        if counts.get(space_id) != 1
    ]


def _check_reachable(tx: Tx) -> list[Finding]:
    """What can't be reached from a top or from the trash hangs in a circle."""
    tops = select(nodes.c.id).where(nodes.c.parent_id.is_(None)).cte("reached", recursive=True)
    members = select(nodes.c.id).join(tops, nodes.c.parent_id == tops.c.id)
    reached = tops.union_all(members)
    lost = select(nodes.c.id).where(nodes.c.id.not_in(select(reached.c.id)))
    return [
        Finding("node", row.id, "can't be reached from the top of its drive")
        for row in tx.connection.execute(lost)
    ]


def _check_folder_sizes(tx: Tx) -> list[Finding]:
    child = nodes.alias("child")
    total = func.coalesce(func.sum(child.c.size), 0)
    query = (
        select(nodes.c.id)
        .outerjoin(child, child.c.parent_id == nodes.c.id)
        .where(nodes.c.kind == "folder", nodes.c.purged_at.is_(None))
        .group_by(nodes.c.id, nodes.c.size)
        .having(nodes.c.size != total)
    )
    what = "has another size than its members together"
    return [Finding("node", row.id, what) for row in tx.connection.execute(query)]


def _check_files(tx: Tx) -> list[Finding]:
    query = (
        select(
            nodes.c.id, nodes.c.size, nodes.c.etag, nodes.c.blob_id,
            blobs_table.c.size.label("blob_size"), blobs_table.c.sha256, blobs_table.c.state,
        )
        .outerjoin(blobs_table, blobs_table.c.id == nodes.c.blob_id)
        .where(nodes.c.kind == "file")
    )  # fmt: skip
    return [
        Finding("node", row.id, what)
        for row in tx.connection.execution_options(yield_per=_AT_ONCE).execute(query)
        for what in _faults_of_content(row)
    ]


def _check_versions(tx: Tx) -> list[Finding]:
    query = select(
        versions.c.id, versions.c.size, versions.c.etag, versions.c.blob_id,
        blobs_table.c.size.label("blob_size"), blobs_table.c.sha256, blobs_table.c.state,
    ).outerjoin(blobs_table, blobs_table.c.id == versions.c.blob_id)  # fmt: skip
    return [
        Finding("version", row.id, what)
        for row in tx.connection.execution_options(yield_per=_AT_ONCE).execute(query)
        for what in _faults_of_content(row)
    ]


def _faults_of_content(row: Any) -> Iterator[str]:  # Any: a row of either query
    if row.blob_id is None:
        if (row.size, row.etag) != (0, EMPTY.etag):
            yield "has no bytes, but a size or an etag of some"
        return
    if row.size != row.blob_size:
        yield "has another size than its bytes"
    if row.sha256 is None or row.etag != etag_of(row.sha256):
        yield "has an etag that is not its content's"
    if row.state == ORPHAN:
        yield "refers to bytes that are being deleted"


def _check_names(tx: Tx) -> list[Finding]:
    query = select(nodes.c.id, nodes.c.name, nodes.c.name_href, nodes.c.name_xml)
    return [
        Finding("node", row.id, "has a name that its forms for URLs and XML don't match")
        for row in tx.connection.execution_options(yield_per=_AT_ONCE).execute(query)
        if (row.name_href, row.name_xml) != (href_of(row.name), xml_of(row.name))
    ]


def _check_locks(tx: Tx) -> list[Finding]:
    climb = select(locks.c.node_id.label("root"), locks.c.node_id.label("at")).cte(
        "climb", recursive=True
    )
    up = select(climb.c.root, nodes.c.parent_id).join(nodes, nodes.c.id == climb.c.at)
    climb = climb.union_all(up.where(nodes.c.parent_id.is_not(None)))
    query = (
        select(climb.c.root)
        .join(nodes, nodes.c.id == climb.c.at)
        .where(nodes.c.deleted_at.is_not(None))
    )
    found = [
        Finding("node", row.root, "is locked, though it is in the trash")
        for row in tx.connection.execute(query)
    ]
    if tx.connection.execute(select(func.count()).select_from(node_copies)).scalar():
        found.append(Finding("copy", 0, "was left unfinished"))
    return found


def _check_usage(tx: Tx) -> list[Finding]:
    return [
        Finding("space", space.id, "has wrong counters; run: quota recalc")
        for space in spaces.list_spaces(tx)
        if usage.get(tx, space_id=space.id) != usage.count(tx, space_id=space.id)
    ]


_TREE_CHECKS: dict[str, Examine] = {
    "folders": _check_parents,
    "circles": _check_reachable,
    "folder sizes": _check_folder_sizes,
    "files": _check_files,
    "versions": _check_versions,
    "names": _check_names,
    "locks": _check_locks,
}


def _check_blobs(
    database: Database, blobs: BlobStore, *, deep: bool
) -> Iterator[Finding | Progress]:
    stored = {entry.key: entry.size for entry in blobs.list()}
    total = database.read(lambda tx: len(tx.connection.execute(_referred()).all()))
    done, last_id = 0, 0
    while rows := database.read(partial(_next_blobs, after=last_id)):
        for row in rows:
            what = _fault_of_blob(blobs, row, stored, deep=deep)
            if what and database.read(partial(_is_still_there, blob_id=row.id)):
                yield Finding("blob", row.id, what)
        done, last_id = done + len(rows), rows[-1].id
        yield Progress("bytes", done, total)


def _fault_of_blob(
    blobs: BlobStore,
    row: Any,
    stored: dict[str, int],
    *,
    deep: bool,  # Any: a row
) -> str | None:
    size = stored.get(row.storage_key)
    if size is not None and size != row.size:
        return "has another size in the store"
    if not deep:
        return "is not in the store" if size is None else None
    try:
        digest = _hash(blobs, BlobRef(row.storage_key, row.size))
    except NotFound:
        return "is not in the store"
    return None if digest == row.sha256 else "has other bytes than were stored"


def _referred() -> Select[Any]:
    used = union(
        *(
            select(table.c.blob_id).where(table.c.blob_id.is_not(None))
            for table in (nodes, versions, upload_parts)
        )
    ).subquery()
    return select(used.c.blob_id)


def _next_blobs(tx: Tx, after: int) -> list[Any]:  # Any: rows
    query = (
        select(
            blobs_table.c.id, blobs_table.c.storage_key, blobs_table.c.size, blobs_table.c.sha256
        )
        .where(blobs_table.c.id > after, blobs_table.c.id.in_(_referred()))
        .order_by(blobs_table.c.id)
        .limit(_AT_ONCE)
    )
    return list(tx.connection.execute(query))


def _is_still_there(tx: Tx, blob_id: int) -> bool:
    query = select(blobs_table.c.id).where(
        blobs_table.c.id == blob_id, blobs_table.c.id.in_(_referred())
    )
    return tx.connection.execute(query).first() is not None


def _hash(blobs: BlobStore, ref: BlobRef) -> bytes:
    digest = hashlib.sha256()
    reader = blobs.open(ref)
    try:
        while data := reader.read(_READ_BYTES):
            digest.update(data)
    finally:
        reader.close()
    return digest.digest()
