"""PROPFIND (RFC 4918 §9.1): rows in one short transaction, then XML from them, streamed if long.

The rows are held in memory, never the transaction: a slow reader of a hundred thousand entries
must not keep the database from cleaning up. Node, members and one more question are the three
queries of the usual request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from typing import Any

from davserver.dav import uploads
from davserver.dav.door import Answer, Request
from davserver.dav.entries import Surroundings, as_entries
from davserver.dav.errors import PROPFIND_FINITE_DEPTH, Refusal
from davserver.dav.headers import Depth, parse_depth
from davserver.dav.multistatus import Place, Renderer, renderer_for
from davserver.dav.packing import multistatus_answer
from davserver.dav.places import Level, TreePlace, UploadPlace
from davserver.dav.surroundings import (
    level_surroundings,
    shown_level,
    shown_node,
    surroundings_of,
)
from davserver.dav.xmlin import read_body
from davserver.dav.xmlrequests import parse_propfind
from storage.db import Tx
from storage.drive import listing, nodes
from storage.drive.nodes import Chain
from storage.drive.paths import ROOT
from storage.errors import NotFound

_MOST_BELOW = 100_000


def answer(request: Request) -> Answer:
    """Answer a PROPFIND. Raises NotFound, Invalid, and a Refusal for absurd or endless requests."""
    # A missing Depth means infinity by the RFC; webdav4 leaves it out and means 1, as sabre/dav
    # takes it (test_propfind.py, test_a_missing_depth_lists_the_members).
    depth = parse_depth(request.header("DEPTH")) or Depth.ONE
    asked = parse_propfind(read_body(request.read))
    renderer = renderer_for(asked, minimal=request.preferences.is_minimal)
    place = request.place
    if isinstance(place, Level):
        return _level_answer(request, place, renderer, depth)
    if isinstance(place, UploadPlace):
        return uploads.list_parts(request, place, renderer, depth)
    listed = request.door.database.read(lambda tx: _fetch(tx, request, place, renderer, depth))
    return multistatus_answer(
        request, renderer, _responses(request, renderer, place, listed), count=len(listed.rows)
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    """All that was fetched, of one moment."""

    chain: Chain
    surroundings: Surroundings
    rows: Sequence[Any]  # Any: rows of a listing, whose columns have all types
    depth: Depth


def _fetch(tx: Tx, request: Request, place: TreePlace, renderer: Renderer, depth: Depth) -> _Listed:
    chain = nodes.get(tx, tree=request.own_tree, path=place.path)
    node = chain.existing()
    if not node.is_folder:
        if place.ends_open:
            raise NotFound("There is nothing at this address.")
        depth = Depth.ZERO
    around = surroundings_of(tx, request, chain, renderer, with_members=depth is not Depth.ZERO)
    return _Listed(chain, around, _rows(tx, request, chain, depth), depth)


def _rows(tx: Tx, request: Request, chain: Chain, depth: Depth) -> Sequence[Any]:  # Any: rows
    node = chain.existing()
    settings = request.door.settings
    hides_clutter = settings.apple_double == "hide"
    shared_only = chain.tree.shared_only and chain.path.is_root
    if depth is Depth.ZERO:
        return ()
    if depth is Depth.ONE:
        return listing.list_members(
            tx, folder_id=node.id, space_id=node.space_id, hides_clutter=hides_clutter,
            shared_only=shared_only,
        )  # fmt: skip
    is_too_much = not settings.propfind_infinity or listing.has_more_than(
        tx, folder_id=node.id, limit=_MOST_BELOW
    )
    if is_too_much:
        raise Refusal(
            403, "List one folder at a time: Depth 0 or 1.", condition=PROPFIND_FINITE_DEPTH
        )
    return list(
        listing.iter_below(
            tx, folder_id=node.id, hides_clutter=hides_clutter, shared_only=shared_only
        )
    )


def _responses(
    request: Request, renderer: Renderer, place: TreePlace, listed: _Listed
) -> Iterator[str]:
    bound = renderer.bind(listed.surroundings)
    node = listed.chain.existing()
    top = shown_node(node, place.tree if place.path.is_root else None)
    base = f"{place.href.rstrip('/')}/" if node.is_folder else place.href
    if listed.depth is Depth.ZERO:
        yield bound.one(base, top, Place.ALONE)
        return
    if not request.preferences.is_without_root:
        yield bound.one(base, top, Place.FIRST)
    entries = as_entries(listed.rows)
    if listed.depth is Depth.ONE:
        yield from bound.members(base, entries)
        return
    for entry, row in zip(entries, listed.rows, strict=True):
        yield bound.one(base + row.href, entry)


def _level_answer(request: Request, level: Level, renderer: Renderer, depth: Depth) -> Answer:
    if depth is Depth.INFINITY:
        raise Refusal(
            403, "List one folder at a time: Depth 0 or 1.", condition=PROPFIND_FINITE_DEPTH
        )
    bound = renderer.bind(level_surroundings(request))
    top = shown_level(level.names[-1] if level.names else "")
    if depth is Depth.ZERO:
        responses: Iterable[str] = [bound.one(level.href, top, Place.ALONE)]
    else:
        first = [] if request.preferences.is_without_root else [
            bound.one(level.href, top, Place.FIRST)
        ]  # fmt: skip
        responses = joined(first, bound.members(level.href, level_members(request, level)))
    return multistatus_answer(request, renderer, responses, count=len(level.members))


def level_members(request: Request, level: Level) -> list[Any]:  # Any: entries, see Entry
    """Return what a folder above the trees holds; the trees themselves as they are now."""
    if level.names != ("dav", "files"):
        return [shown_level(name) for name in level.members]
    trees = [(name, request.tree(name)) for name in level.members]

    def act(tx: Tx) -> list[Any]:  # Any: entries
        return [
            shown_node(nodes.get(tx, tree=tree, path=ROOT).existing(), name) for name, tree in trees
        ]

    return request.door.database.read(act)
