"""REPORT: sync-collection (RFC 6578), what changed in a tree since a client last looked.

Reports that we don't know are refused by name (RFC 3253 §3.6): expand-property among them, since
no property here leads to anything that a second request would not find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from davserver.dav import answers
from davserver.dav.door import Answer, Request
from davserver.dav.errors import SUPPORTED_REPORT, VALID_SYNC_TOKEN, Refusal
from davserver.dav.headers import Depth, parse_depth
from davserver.dav.multistatus import renderer_for
from davserver.dav.packing import multistatus_answer
from davserver.dav.places import TreePlace
from davserver.dav.surroundings import SYNC_PREFIX, dead_of, described
from davserver.dav.xmlin import read_body
from davserver.dav.xmlrequests import SyncCollection, parse_report
from storage.db import Tx
from storage.drive import nodes, properties, sync
from storage.drive.nodes import Chain
from storage.drive.sync import Report
from storage.errors import Invalid

_AT_ONCE = 1000


def answer(request: Request) -> Answer:
    """Answer a REPORT. Raises NotFound, Invalid, a Refusal for unknown reports and old tokens."""
    asked = parse_report(read_body(request.read), depth=parse_depth(request.header("DEPTH")))
    place = request.place
    if not isinstance(asked, SyncCollection) or not isinstance(place, TreePlace):
        raise Refusal(403, "There is no such report here.", condition=SUPPORTED_REPORT)
    renderer = renderer_for(asked.properties, minimal=request.preferences.is_minimal)
    tree = request.own_tree

    def act(tx: Tx) -> tuple[Chain, Report, Mapping[int, Mapping[str, str]]]:
        chain = nodes.get(tx, tree=tree, path=place.path)
        folder = chain.existing()
        if not folder.is_folder:
            raise Refusal(403, "Only a folder can be synchronised.", condition=SUPPORTED_REPORT)
        report = sync.report(
            tx,
            tree=tree,
            folder=folder,
            token=_token(asked),
            limit=asked.limit,
            is_deep=asked.depth is Depth.INFINITY,
        )
        ids = [entry.row.id for entry in report.entries] if renderer.needs_dead else []
        return chain, report, dead_of(_dead(tx, ids))

    try:
        chain, report, dead = request.door.database.read(act)
    except Invalid as error:
        if error.field != "sync-token":
            raise
        raise Refusal(403, error.message, condition=VALID_SYNC_TOKEN) from None
    base = f"{place.href.rstrip('/')}/"
    listing = renderer.bind(described(request, chain, dead=dead))

    def responses() -> Iterator[str]:
        for entry in report.entries:
            yield listing.one(base + entry.href, entry.row)
        for href in report.gone:
            yield answers.gone(base + href)
        if report.is_truncated:
            yield answers.truncated(base)

    tail = answers.sync_token(SYNC_PREFIX + report.token)
    count = len(report.entries) + len(report.gone)
    return multistatus_answer(request, renderer, responses(), count=count, tail=tail)


def _token(asked: SyncCollection) -> str | None:
    if not asked.token:
        return None
    token = asked.token.removeprefix(SYNC_PREFIX)
    if token == asked.token:
        raise Invalid("This sync token is not one of ours.", field="sync-token")
    return token


def _dead(tx: Tx, node_ids: Sequence[int]) -> dict[int, list[properties.Property]]:
    found: dict[int, list[properties.Property]] = {}
    for start in range(0, len(node_ids), _AT_ONCE):
        found |= properties.list_of_nodes(tx, node_ids=node_ids[start : start + _AT_ONCE])
    return found
