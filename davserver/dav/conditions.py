"""The conditional headers of HTTP, evaluated in the order of RFC 9110 §13.2.2.

A handler parses them once, evaluates them early as a courtesy, and again in the transaction that
commits. WebDAV's own `If` header lives in `ifheader.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from davserver.dav.etags import ETagList, parse_etag, parse_etag_list
from davserver.dav.times import parse_http_date


class Verdict(Enum):
    """What the conditional headers ask for."""

    PROCEED = auto()
    NOT_MODIFIED = auto()  # 304
    FAILED = auto()  # 412
    FULL = auto()  # proceed, but without the ranges: If-Range does not hold


@dataclass(frozen=True, slots=True)
class Representation:
    """What is there now: the strong tag without quotes, and the Last-Modified time."""

    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The conditional headers of one request, parsed. What was missing or unreadable is None."""

    if_match: ETagList | None = None
    if_none_match: ETagList | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None
    if_range: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to evaluate."""
        return self == _NONE

    @property
    def wants_new(self) -> bool:
        """Whether the request may only create (`If-None-Match: *`)."""
        return self.if_none_match is not None and self.if_none_match.is_any


_NONE = Preconditions()


def parse_preconditions(environ: Mapping[str, Any]) -> Preconditions:
    """Read them from a WSGI environ (its values are Any by the standard's definition)."""
    return Preconditions(
        if_match=parse_etag_list(environ.get("HTTP_IF_MATCH")),
        if_none_match=parse_etag_list(environ.get("HTTP_IF_NONE_MATCH")),
        if_modified_since=parse_http_date(environ.get("HTTP_IF_MODIFIED_SINCE")),
        if_unmodified_since=parse_http_date(environ.get("HTTP_IF_UNMODIFIED_SINCE")),
        if_range=environ.get("HTTP_IF_RANGE") if "HTTP_RANGE" in environ else None,
    )


def evaluate(
    conditions: Preconditions, current: Representation | None, *, is_read: bool
) -> Verdict:
    """Evaluate the conditions against what is there now; `current` is None where nothing is.

    `is_read` is true for GET and HEAD. For other methods a matching If-None-Match is 412, and
    If-Modified-Since and If-Range have no meaning.
    """
    if not _may_be_touched(conditions, current):
        return Verdict.FAILED
    if conditions.if_none_match is not None:
        # Listed tags win over the date (RFC 9110 §13.1.3), even when none of them is readable.
        if current is not None and conditions.if_none_match.matches_weakly(current.etag):
            return Verdict.NOT_MODIFIED if is_read else Verdict.FAILED
    elif is_read and _is_unmodified_since(current, conditions.if_modified_since):
        return Verdict.NOT_MODIFIED
    if is_read and conditions.if_range is not None:
        is_same = _is_range_of(current, conditions.if_range)
        return Verdict.PROCEED if is_same else Verdict.FULL
    return Verdict.PROCEED


def _may_be_touched(conditions: Preconditions, current: Representation | None) -> bool:
    if conditions.if_match is not None:
        # On a missing resource even `*` fails: the file that was to be replaced is gone.
        return current is not None and conditions.if_match.matches_strongly(current.etag)
    if conditions.if_unmodified_since is not None and current is not None:
        return _is_unmodified_since(current, conditions.if_unmodified_since)
    return True


def _is_unmodified_since(current: Representation | None, since: datetime | None) -> bool:
    # Equal counts as unmodified: Finder asks with the very date it was given. HTTP dates have
    # whole seconds, so the fraction that we keep must not make a file look newer.
    if current is None or since is None:
        return False
    return current.modified.replace(microsecond=0) <= since


def _is_range_of(current: Representation | None, if_range: str) -> bool:
    """Compare as RFC 9110 §13.1.5 wants: a tag strongly, a date exactly.

    A date counts as strong here even within the second in which the file changed (§8.8.2.2 would
    have us wait): Finder resumes with dates only, right after its own PUT.
    """
    if current is None:
        return False
    if date := parse_http_date(if_range):
        return current.modified.replace(microsecond=0) == date
    tag = parse_etag(if_range)
    return tag is not None and not tag.is_weak and tag.opaque == current.etag
