"""Rows, answers and requests that several tests of the WebDAV door share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from lxml import etree

from davserver.dav.xmlnames import dav

CHANGED = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
CREATED = datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A row of a listing, with the defaults of a plain file."""

    id: int = 7
    name: str = "a.txt"
    kind: str = "file"
    size: int = 42
    content_type: str | None = "text/plain"
    etag: str = "e7"
    mtime: datetime = CHANGED
    created_at: datetime = CREATED
    sha1: bytes | None = None
    md5: bytes | None = None
    sha256: bytes | None = None

    @property
    def name_href(self) -> str:
        return quote(self.name, safe="", errors="replace")

    @property
    def name_xml(self) -> str | None:
        escaped = escape(self.name)
        return None if escaped == self.name else escaped


def folder(**values) -> Row:
    return Row(**{"name": "docs", "kind": "folder", "size": 0, "content_type": None, **values})


Propstats = dict[int, dict[str, etree._Element]]


def parsed(body: bytes) -> list[tuple[str, Propstats]]:
    """Return href and propstats of each response, as a strict client would read them."""
    root = etree.fromstring(body)
    assert root.tag == dav("multistatus")
    return [(_only(it, "href").text or "", _propstats(it)) for it in root.iter(dav("response"))]


def _propstats(response: etree._Element) -> Propstats:
    found: Propstats = {}
    for propstat in response.findall(dav("propstat")):
        status = int((_only(propstat, "status").text or "").split()[1])
        assert status not in found, "one propstat per status"
        found[status] = {str(it.tag): it for it in _only(propstat, "prop")}
    return found


def _only(parent: etree._Element, name: str) -> etree._Element:
    (found,) = parent.findall(dav(name))
    return found


def propfind(*names: str) -> bytes:
    """Return a PROPFIND body that asks for DAV properties by their local names."""
    asked = "".join(f"<D:{name}/>" for name in names)
    return f'<D:propfind xmlns:D="DAV:"><D:prop>{asked}</D:prop></D:propfind>'.encode()
