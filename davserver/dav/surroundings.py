"""Fetches what a listing says beyond its rows: dead properties, locks, quota. One query for each.

Turns the drive's values into the renderer's, so that PROPFIND, REPORT and LOCK show the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from davserver.dav.door import Request
from davserver.dav.entries import Entry, Surroundings
from davserver.dav.lockxml import ShownLock
from davserver.dav.multistatus import Renderer
from davserver.dav.places import OWNER_HREF, principal_href
from storage.db import Tx
from storage.drive import locks, properties, sync, usage
from storage.drive.locks import Lock
from storage.drive.nodes import Chain, Node
from storage.drive.paths import href_of, xml_of
from storage.drive.properties import Property

SYNC_PREFIX: Final = "urn:davserver:sync:"
"""RFC 6578 §4 wants sync tokens to be URIs."""

_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ShownNode:
    """One file or folder that comes from no listing, with all that a renderer may ask for."""

    id: int
    name: str
    name_href: str
    name_xml: str | None
    kind: str
    size: int
    content_type: str | None
    etag: str
    mtime: datetime
    created_at: datetime
    change_seq: int = 0
    sha1: bytes | None = None
    md5: bytes | None = None
    sha256: bytes | None = None


def shown_node(node: Node, name: str | None = None) -> ShownNode:
    """Return a node as an entry; a tree's top has no name of its own and gets one here."""
    name = node.name if name is None else name
    return ShownNode(
        node.id, name, href_of(name), xml_of(name), node.kind, node.size, node.content_type,
        node.etag, node.mtime, node.created_at, node.change_seq, node.sha1, node.md5, node.sha256,
    )  # fmt: skip


def shown_level(name: str) -> ShownNode:
    """Return a folder above the trees as an entry; nothing about it ever changes."""
    return ShownNode(
        0, name, href_of(name), xml_of(name), "folder", 0, None, "level", _NO_TIME, _NO_TIME
    )


def surroundings_of(
    tx: Tx, request: Request, chain: Chain, renderer: Renderer, *, with_members: bool
) -> Surroundings:
    """Fetch what `renderer` needs around one resource, and its members where they are listed."""
    node = chain.existing()
    quota = _Room(None, None)
    if renderer.needs_quota and node.is_folder:
        quota = _room(tx, request, chain)
    inherited: Sequence[ShownLock] = ()
    own: Mapping[int, Sequence[ShownLock]] = {}
    if renderer.needs_locks:
        inherited, own = _locks(tx, request, chain, with_members=with_members)
    dead: Mapping[int, Mapping[str, str]] = {}
    if renderer.needs_dead:
        dead = _dead(tx, node, with_members=with_members)
    return described(request, chain, room=quota, dead=dead, locks=own, inherited_locks=inherited)


def described(
    request: Request,
    chain: Chain,
    *,
    room: _Room | None = None,
    dead: Mapping[int, Mapping[str, str]] | None = None,
    locks: Mapping[int, Sequence[ShownLock]] | None = None,
    inherited_locks: Sequence[ShownLock] = (),
) -> Surroundings:
    """Return the surroundings of what is at or below a chain."""
    space_id = chain.tree.space.id

    def token_of(entry: Entry) -> str:
        # Rows of listings and shown nodes both know their folder's last change.
        return SYNC_PREFIX + sync.spell_token(space_id, entry.id, getattr(entry, "change_seq", 0))

    is_view = chain.tree.shared_only and chain.path.is_root
    return Surroundings(
        may_write=request.may_write and not is_view,
        principal_href=principal_href(request.signed_in.principal),
        owner_href=OWNER_HREF,
        used_bytes=room.used if room else None,
        available_bytes=room.available if room else None,
        sync_token=None if is_view else token_of,
        locks=locks or {},
        inherited_locks=inherited_locks,
        dead=dead or {},
    )


def level_surroundings(request: Request) -> Surroundings:
    """Return the surroundings of folders above the trees: nothing there can be written."""
    return Surroundings(
        principal_href=principal_href(request.signed_in.principal), owner_href=OWNER_HREF
    )


def shown_locks(tx: Tx, found: Iterable[Lock], base_href: str) -> list[ShownLock]:
    """Return locks as clients see them; `base_href` is that of the tree's top."""
    return [
        ShownLock(
            token=lock.token,
            scope="exclusive" if lock.is_exclusive else "shared",
            depth="infinity" if lock.is_deep else "0",
            owner_xml=lock.owner_xml,
            seconds_left=round((lock.expires_at - tx.now).total_seconds()),
            root_href=base_href + lock.href,
        )
        for lock in found
    ]


def dead_of(kept: Mapping[int, Sequence[Property]]) -> dict[int, dict[str, str]]:
    """Return dead properties as renderers look them up."""
    return {
        node_id: {
            f"{{{each.namespace}}}{each.name}" if each.namespace else each.name: each.xml or ""
            for each in found
        }
        for node_id, found in kept.items()
    }


@dataclass(frozen=True, slots=True)
class _Room:
    used: int | None
    available: int | None


def _room(tx: Tx, request: Request, chain: Chain) -> _Room:
    return _Room(*usage.find_used_and_room(tx, space=chain.tree.space, quota=request.quota))


def _dead(tx: Tx, node: Node, *, with_members: bool) -> dict[int, dict[str, str]]:
    if with_members:
        return dead_of(properties.list_with_members(tx, folder_id=node.id))
    return dead_of({node.id: properties.list_of(tx, node_id=node.id)})


def _locks(
    tx: Tx, request: Request, chain: Chain, *, with_members: bool
) -> tuple[list[ShownLock], dict[int, list[ShownLock]]]:
    """Return the locks that reach down to all that is listed, and each entry's own."""
    base = f"/dav/files/{getattr(request.place, 'tree', '')}/"
    if with_members:
        found = locks.list_around(tx, chain=chain)
    else:
        found = locks.list_covering(tx, chain=chain)
    above = [lock for lock in found if lock.is_deep and lock.node_id in chain.ids]
    own: dict[int, list[Lock]] = {}
    for lock in found:
        if lock not in above:
            own.setdefault(lock.node_id, []).append(lock)
    shown = {node_id: shown_locks(tx, held, base) for node_id, held in own.items()}
    return shown_locks(tx, above, base), shown
