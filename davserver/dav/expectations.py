"""The conditions of a request that changes something, as the drive judges them at the commit."""

from __future__ import annotations

from davserver.dav import ifheader
from davserver.dav.conditions import parse_preconditions
from davserver.dav.destination import path_of_tag
from davserver.dav.door import Request
from davserver.dav.etags import ETagList
from davserver.dav.places import TreePlace, place_of
from storage.drive.conditions import ANY, UNCONDITIONAL, Expected, IfList, StateIs
from storage.drive.paths import ROOT
from storage.errors import Invalid, NotFound


def expected_of(request: Request) -> Expected:
    """Return what the client expects to find. Raises Invalid for an `If` that can't be read."""
    preconditions = parse_preconditions(request.environ)
    header = ifheader.parse_if(request.header("IF"), path_of_tag)
    if preconditions.is_empty and header is None:
        return UNCONDITIONAL
    lists = () if header is None else tuple(_list(request, each) for each in header.lists)
    return Expected(
        # RFC 9110 §13.1.1: compared strongly, so a weak tag matches nothing.
        if_match=_etags(preconditions.if_match, takes_weak=False),
        if_none_match=_etags(preconditions.if_none_match, takes_weak=True),
        if_unmodified_since=preconditions.if_unmodified_since,
        lists=lists,
        lock_tokens=frozenset() if header is None else header.tokens,
    )


def _etags(listed: ETagList | None, *, takes_weak: bool) -> frozenset[str] | None:
    if listed is None:
        return None
    if listed.is_any:
        return ANY
    return frozenset(tag.opaque for tag in listed.tags if takes_weak or not tag.is_weak)


def _list(request: Request, listed: ifheader.IfList) -> IfList:
    conditions = tuple(_state(condition) for condition in listed.conditions)
    if listed.is_foreign:
        return IfList(conditions, path=ROOT)
    if listed.path is None:
        return IfList(conditions)
    try:
        place = place_of(listed.path, request.signed_in.principal)
    except (NotFound, Invalid):
        return IfList(conditions, path=ROOT)
    if not isinstance(place, TreePlace):
        return IfList(conditions, path=ROOT)
    return IfList(conditions, tree=request.tree(place.tree), path=place.path)


def _state(condition: ifheader.IfCondition) -> StateIs:
    if condition.etag is not None:
        return StateIs(condition.etag.opaque, is_etag=True, is_negated=condition.is_negated)
    return StateIs(condition.token or "", is_negated=condition.is_negated)
