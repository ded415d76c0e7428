"""Bodies that answer PROPPATCH, extended MKCOL and REPORT, where `multistatus.py` has no rows.

One response per body and one propstat per status: Windows, rclone and RFC 4918 §9.2 all want it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from davserver.dav.errors import status_line
from davserver.dav.xmlnames import Prefixes, escape_text

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True, slots=True)
class PropertyOutcome:
    """What became of one property: 200, or why not, maybe with a condition."""

    name: str
    status: int = 200
    condition: str | None = None


def all_or_nothing(outcomes: Sequence[PropertyOutcome]) -> tuple[PropertyOutcome, ...]:
    """Return the outcomes as they are answered: where one failed, the others are 424.

    RFC 4918 §9.2 carries a PROPPATCH out whole or not at all.
    """
    if all(outcome.status < 300 for outcome in outcomes):
        return tuple(outcomes)
    return tuple(
        outcome if outcome.status >= 300 else PropertyOutcome(outcome.name, 424)
        for outcome in outcomes
    )


def render_proppatch(href: str, outcomes: Sequence[PropertyOutcome]) -> bytes:
    """Return the 207 body that answers PROPPATCH."""
    prefixes = Prefixes(outcome.name for outcome in outcomes)
    text = (
        f"{_HEAD}<D:multistatus{prefixes.declarations}><D:response>"
        f"<D:href>{escape_text(href)}</D:href>{_propstats(outcomes, prefixes)}"
        "</D:response></D:multistatus>"
    )
    return text.encode()


def render_mkcol(outcomes: Sequence[PropertyOutcome]) -> bytes:
    """Return the body that answers an extended MKCOL (RFC 5689 §5.2)."""
    prefixes = Prefixes(outcome.name for outcome in outcomes)
    text = (
        f"{_HEAD}<D:mkcol-response{prefixes.declarations}>"
        f"{_propstats(outcomes, prefixes)}</D:mkcol-response>"
    )
    return text.encode()


def _propstats(outcomes: Iterable[PropertyOutcome], prefixes: Prefixes) -> str:
    groups: dict[tuple[int, str | None], list[str]] = {}
    for outcome in outcomes:
        names = groups.setdefault((outcome.status, outcome.condition), [])
        if (element := prefixes.empty(outcome.name)) not in names:
            names.append(element)
    # 200 first: some clients take the first propstat for the whole.
    return "".join(
        f"<D:propstat><D:prop>{''.join(names)}</D:prop>"
        f"<D:status>HTTP/1.1 {status_line(status)}</D:status>{_error(condition)}</D:propstat>"
        for (status, condition), names in sorted(groups.items(), key=lambda item: item[0][0])
    )


def _error(condition: str | None) -> str:
    return f"<D:error><D:{condition}/></D:error>" if condition else ""


def gone(href: str) -> str:
    """Return the response for what a sync-collection must forget (RFC 6578 §3.5.2)."""
    return (
        f"<D:response><D:href>{escape_text(href)}</D:href>"
        "<D:status>HTTP/1.1 404 Not Found</D:status></D:response>"
    )


def truncated(href: str) -> str:
    """Return the response that says that there is more to come (RFC 6578 §3.6)."""
    return (
        f"<D:response><D:href>{escape_text(href)}</D:href>"
        "<D:status>HTTP/1.1 507 Insufficient Storage</D:status>"
        "<D:error><D:number-of-matches-within-limits/></D:error></D:response>"
    )


def sync_token(token: str) -> str:
    """Return what closes the answer to a sync-collection (RFC 6578 §6.4)."""
    return f"<D:sync-token>{escape_text(token)}</D:sync-token>"
