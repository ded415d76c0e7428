"""PROPPATCH (RFC 4918 §9.2): all changes or none, answered with one response."""

from __future__ import annotations

from davserver.dav.answers import PropertyOutcome, all_or_nothing, render_proppatch
from davserver.dav.door import Answer, Request
from davserver.dav.errors import XML_TYPE
from davserver.dav.expectations import expected_of
from davserver.dav.proppatch import PropertyChange, parse_proppatch
from davserver.dav.propsetting import Plan, plan_changes
from davserver.dav.xmlin import read_body
from storage.db import Tx
from storage.drive import nodes, properties
from storage.errors import TooLarge


def answer(request: Request) -> Answer:
    """Answer a PROPPATCH. Raises what `properties.patch` does, but for what is too large."""
    changes = parse_proppatch(read_body(request.read))
    place, tree = request.spot()
    expected = expected_of(request)

    def act(tx: Tx) -> tuple[Plan, bool]:
        node = nodes.get(tx, tree=tree, path=place.path).existing()
        plan = plan_changes(changes, node=node)
        if not plan.is_refused:
            properties.patch(
                tx,
                tree=tree,
                path=place.path,
                actor=request.actor,
                instructions=plan.instructions,
                mtime=plan.mtime,
                expected=expected,
            )
        return plan, node.is_folder

    try:
        plan, is_folder = request.write(act)
    except TooLarge:
        outcomes = _too_large(changes)
        return _multistatus(place.href, outcomes)
    if request.preferences.is_minimal and not plan.is_refused:
        # RFC 8144 §2.1: all went well, and the client does not want to read that.
        return Answer(200, [("Preference-Applied", "return=minimal"), ("Vary", "Prefer")])
    href = place.href.rstrip("/") + "/" if is_folder else place.href
    return _multistatus(href, plan.outcomes)


def _multistatus(href: str, outcomes: tuple[PropertyOutcome, ...]) -> Answer:
    headers = [("Content-Type", XML_TYPE), ("Vary", "Prefer")]
    return Answer(207, headers, render_proppatch(href, outcomes))


def _too_large(changes: tuple[PropertyChange, ...]) -> tuple[PropertyOutcome, ...]:
    """RFC 4918 §9.2.1: what there is no room for is 507."""
    return all_or_nothing(
        [PropertyOutcome(it.name, 200 if it.is_removal else 507) for it in changes]
    )
