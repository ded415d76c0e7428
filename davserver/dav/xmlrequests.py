"""What PROPFIND, LOCK and REPORT bodies ask for, as small frozen values.

A PROPFIND request is hashable: the compiled renderers of `multistatus.py` are remembered by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal
from xml.sax.saxutils import escape

from lxml import etree

from davserver.dav.headers import Depth
from davserver.dav.xmlin import (
    children,
    only_child,
    parse_root,
    parse_xml,
    property_names,
    text_within,
)
from davserver.dav.xmlnames import dav
from storage.errors import Invalid

_LONGEST_OWNER = 8 * 1024
_LONGEST_SYNC_TOKEN = 512
_LARGEST_LIMIT = 2**31 - 1


class Asked(Enum):
    """The three forms of a PROPFIND."""

    NAMED = "prop"
    NAMES = "propname"
    ALL = "allprop"


@dataclass(frozen=True, slots=True)
class PropfindRequest:
    """What is asked of every resource; `names` are those asked for, or included with all."""

    asked: Asked
    names: tuple[str, ...] = ()


ALL_PROPERTIES = PropfindRequest(Asked.ALL)


def parse_propfind(body: bytes) -> PropfindRequest:
    """Read a PROPFIND body (RFC 4918 §14.20). None at all means allprop (§9.1).

    Elements that we don't know are passed over (§17). Raises Invalid when not exactly one of the
    three forms is there, and a Refusal for absurd sizes.
    """
    if not body.strip():
        return ALL_PROPERTIES
    root = parse_root(body, "propfind")
    forms = {form: found for form in Asked if (found := only_child(root, form.value)) is not None}
    if len(forms) != 1:
        raise Invalid("A propfind holds one of prop, propname and allprop.", field="body")
    asked, element = forms.popitem()
    if asked is Asked.ALL:
        included = only_child(root, "include")
        return PropfindRequest(asked, () if included is None else property_names(included))
    return PropfindRequest(asked, property_names(element) if asked is Asked.NAMED else ())


@dataclass(frozen=True, slots=True)
class LockRequest:
    """A new lock that is asked for. `owner_xml` is the client's, whole and as it was sent."""

    scope: Literal["exclusive", "shared"]
    owner_xml: str


def parse_lock(body: bytes) -> LockRequest | None:
    """Read a LOCK body (RFC 4918 §14.11); None when there is none, which asks for a refresh."""
    if not body.strip():
        return None
    root = parse_root(body, "lockinfo")
    scope, kind = only_child(root, "lockscope"), only_child(root, "locktype")
    if scope is None or kind is None or kind.find(dav("write")) is None:
        raise Invalid("A lockinfo holds a lockscope, and a locktype of write.", field="body")
    is_exclusive = scope.find(dav("exclusive")) is not None
    if is_exclusive == (scope.find(dav("shared")) is not None):
        raise Invalid("A lockscope is exclusive or shared.", field="body")
    owner = only_child(root, "owner")
    return LockRequest("exclusive" if is_exclusive else "shared", _content(owner))


def _content(element: etree._Element | None) -> str:
    """Return what is within an element, each child with all namespaces that it needs.

    davfs2 knows its own stale lock by comparing this text, so it comes back as it was sent.
    """
    if element is None:
        return ""
    parts = [escape(element.text or "")]
    parts += [etree.tostring(child, encoding="unicode") for child in children(element)]
    content = "".join(parts)
    if len(content) > _LONGEST_OWNER:
        raise Invalid(f"A lock's owner may have {_LONGEST_OWNER} characters.", field="body")
    return content


@dataclass(frozen=True, slots=True)
class SyncCollection:
    """What changed since `token` (empty: everything there is), in RFC 6578 §6.1's terms."""

    token: str
    depth: Depth
    limit: int | None
    properties: PropfindRequest


@dataclass(frozen=True, slots=True)
class OtherReport:
    """A report by its name only."""

    name: str


def parse_report(body: bytes, *, depth: Depth | None) -> SyncCollection | OtherReport:
    """Read a REPORT body: a sync-collection whole, any other one by name.

    `depth` is the header's, which stood for sync-level in the drafts of RFC 6578.
    """
    root = parse_xml(body)
    if root.tag != dav("sync-collection"):
        return OtherReport(str(root.tag))
    token = only_child(root, "sync-token")
    properties = only_child(root, "prop")
    if token is None or properties is None:
        raise Invalid("A sync-collection holds a sync-token and a prop.", field="body")
    return SyncCollection(
        token=_short_text(token),
        depth=_sync_level(only_child(root, "sync-level"), depth),
        limit=_limit(only_child(root, "limit")),
        properties=PropfindRequest(Asked.NAMED, property_names(properties)),
    )


def _sync_level(element: etree._Element | None, header: Depth | None) -> Depth:
    if element is None:
        return Depth.INFINITY if header is Depth.INFINITY else Depth.ONE
    levels = {"1": Depth.ONE, "infinite": Depth.INFINITY, "infinity": Depth.INFINITY}
    level = levels.get(_short_text(element))
    if level is None:
        raise Invalid("A sync-level is 1 or infinite.", field="body")
    return level


def _limit(element: etree._Element | None) -> int | None:
    if element is None:
        return None
    results = only_child(element, "nresults")
    text = "" if results is None else _short_text(results)
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise Invalid("A limit holds nresults, a number from 1 on.", field="body")
    return min(int(text), _LARGEST_LIMIT)


def _short_text(element: etree._Element) -> str:
    text = text_within(element).strip()
    if len(text) > _LONGEST_SYNC_TOKEN:
        raise Invalid("A value in the request body is too long.", field="body")
    return text
