"""The live properties, one row each: where they exist, what they say, whether allprop shows them.

To add one, add a row. A row binds to what surrounds the request once, and gives either fixed XML
or a small function that is called for each entry; `multistatus.py` joins them into renderers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from operator import attrgetter
from typing import Final, Literal

from davserver.dav.checksums import render_checksums
from davserver.dav.content_types import UNKNOWN_TYPE
from davserver.dav.entries import Entry, Surroundings
from davserver.dav.lockxml import SUPPORTED_LOCKS, render_locks
from davserver.dav.times import http_date, iso_date
from davserver.dav.xmlnames import OWNCLOUD, dav, escape_text
from storage.drive.uploads import EMPTY

Kind = Literal["file", "folder"]


Get = Callable[[Entry], object]
"""Gives XML, or a number; None where this one entry has no such property."""

Bind = Callable[[Surroundings], Get | str | None]
"""Gives a `Get`, or XML that is the same for all entries, or None where none of them has it."""


class Shown(IntEnum):
    """Where allprop shows a property; each place shows what the ones before it show, too."""

    EVERYWHERE = 0
    # Quota: RFC 4331 §3 keeps it out of allprop for its cost, but npm webdav finds it nowhere
    # else. On the one folder that was asked about it costs nothing.
    FIRST = 1
    # Locks: RFC 4918 §9.1 wants them, Windows refuses listings above 1 MB, and iOS apps take an
    # href within one for another file. So they are shown where Depth was 0.
    ALONE = 2
    NEVER = 3


@dataclass(frozen=True, slots=True)
class LiveProperty:
    """One row of the table. `needs` names what must be fetched before it can be rendered."""

    name: str
    on_file: Bind | None
    on_folder: Bind | None
    shown: Shown = Shown.NEVER
    needs: Literal["locks", "quota", "checksums", "sync", None] = None
    is_fixed: bool = False  # says the same whatever surrounds it

    def on(self, kind: Kind) -> Bind | None:
        """Return what binds it for files, or for folders."""
        return self.on_file if kind == "file" else self.on_folder


@lru_cache(maxsize=1024)
def _type_xml(content_type: str | None) -> str:
    return escape_text(content_type or UNKNOWN_TYPE)


def _column(name: str) -> Bind:
    getter = attrgetter(name)
    return lambda _: getter


def _each(get: Get) -> Bind:
    return lambda _: get


def _fixed(xml: str) -> Bind:
    return lambda _: xml


def _number(name: str) -> Bind:
    def bind(surroundings: Surroundings) -> str | None:
        value: int | None = getattr(surroundings, name)
        return None if value is None else str(value)

    return bind


def _sync_token(surroundings: Surroundings) -> Get | None:
    token_of = surroundings.sync_token
    return None if token_of is None else lambda entry: escape_text(token_of(entry))


def _href(name: str) -> Bind:
    def bind(surroundings: Surroundings) -> str | None:
        value: str | None = getattr(surroundings, name)
        return None if value is None else f"<D:href>{escape_text(value)}</D:href>"

    return bind


def _lockdiscovery(surroundings: Surroundings) -> Get | str:
    above = render_locks(surroundings.inherited_locks)
    if not surroundings.locks:
        return above
    locks = surroundings.locks
    return lambda entry: render_locks(locks.get(entry.id, ())) + above


def _supportedlock(surroundings: Surroundings) -> str:
    # LibreOffice opens read-only, and without an error, when it sees none.
    return SUPPORTED_LOCKS if surroundings.may_write else ""


def _privileges(*when_writable: str) -> Bind:
    always = ("read", "read-current-user-privilege-set")

    def bind(surroundings: Surroundings) -> str:
        names = (*always, *when_writable) if surroundings.may_write else always
        return "".join(f"<D:privilege><D:{name}/></D:privilege>" for name in names)

    return bind


def _permissions(when_writable: str) -> Bind:
    # Nextcloud's letters: G read, D delete, N rename, V move, W write, C and K make files and
    # folders. R (share again) is not offered here.
    return lambda surroundings: f"G{when_writable}" if surroundings.may_write else "G"


def _reports(surroundings: Surroundings) -> str:
    if surroundings.sync_token is None:
        return ""
    return "<D:supported-report><D:report><D:sync-collection/></D:report></D:supported-report>"


def _owncloud_id(surroundings: Surroundings) -> Get:
    # ownCloud's form: the number with at least eight digits, then the installation's id.
    return lambda entry: f"{entry.id:08d}{surroundings.instance}"


def _checksums(entry: Entry) -> str | None:
    # No blob is kept of no bytes, so the rows of empty files have none of their hashes.
    known = EMPTY if entry.size == 0 else entry
    text = render_checksums(sha1=known.sha1, md5=known.md5, sha256=known.sha256)
    return f"<oc:checksum>{text}</oc:checksum>" if text else None


def _both(
    name: str, bind: Bind, shown: Shown = Shown.NEVER, *, is_fixed: bool = False
) -> LiveProperty:
    return LiveProperty(name, bind, bind, shown, is_fixed=is_fixed)


def _oc(local: str) -> str:
    return f"{{{OWNCLOUD}}}{local}"


ETAG: Final = dav("getetag")
"""The one property whose value stands in quotes, as in the header (RFC 4918 §15.6)."""

CHECKSUMS: Final = _oc("checksums")

_WRITE = ("write", "write-properties", "write-content", "unlock")

_ROWS = (
    # RFC 4918 §15, in the order in which allprop shows them.
    _both(dav("creationdate"), _each(lambda it: iso_date(it.created_at)), Shown.EVERYWHERE,
          is_fixed=True),
    _both(dav("displayname"), _each(lambda it: it.name_xml or it.name or None), Shown.EVERYWHERE,
          is_fixed=True),
    LiveProperty(dav("getcontentlength"), _column("size"), None, Shown.EVERYWHERE, is_fixed=True),
    LiveProperty(dav("getcontenttype"), _each(lambda it: _type_xml(it.content_type)), None,
                 Shown.EVERYWHERE, is_fixed=True),
    _both(ETAG, _column("etag"), Shown.EVERYWHERE, is_fixed=True),
    _both(dav("getlastmodified"), _each(lambda it: http_date(it.mtime)), Shown.EVERYWHERE,
          is_fixed=True),
    LiveProperty(dav("resourcetype"), _fixed(""), _fixed("<D:collection/>"), Shown.EVERYWHERE,
                 is_fixed=True),
    _both(dav("supportedlock"), _supportedlock, Shown.ALONE),
    LiveProperty(dav("lockdiscovery"), _lockdiscovery, _lockdiscovery, Shown.ALONE, "locks"),
    # RFC 4331. An unlimited tree has no quota-available-bytes at all.
    LiveProperty(dav("quota-available-bytes"), None, _number("available_bytes"), Shown.FIRST,
                 "quota"),
    LiveProperty(dav("quota-used-bytes"), None, _number("used_bytes"), Shown.FIRST, "quota"),
    # RFC 3744, RFC 5397.
    LiveProperty(dav("current-user-privilege-set"), _privileges(*_WRITE),
                 _privileges(*_WRITE, "bind", "unbind")),
    _both(dav("owner"), _href("owner_href")),
    _both(dav("current-user-principal"), _href("principal_href")),
    # RFC 3253 §3.1.5, RFC 6578 §4.
    LiveProperty(dav("supported-report-set"), _fixed(""), _reports, needs="sync"),
    LiveProperty(dav("sync-token"), None, _sync_token, needs="sync"),
    # In no RFC; rclone honours it where it is given.
    LiveProperty(dav("iscollection"), _fixed("0"), _fixed("1"), is_fixed=True),
    # ownCloud's and Nextcloud's.
    _both(_oc("id"), _owncloud_id),
    _both(_oc("fileid"), _column("id"), is_fixed=True),
    LiveProperty(_oc("permissions"), _permissions("DNVW"), _permissions("DNVCK")),
    LiveProperty(_oc("size"), _column("size"), None, is_fixed=True),
    LiveProperty(CHECKSUMS, _each(_checksums), None, needs="checksums", is_fixed=True),
)  # fmt: skip

LIVE_PROPERTIES: Final = {row.name: row for row in _ROWS}
"""Every live property by its name. What is not here is a dead property, or nothing."""

PROTECTED: Final = frozenset(LIVE_PROPERTIES) - {dav("getlastmodified")}
"""What PROPPATCH must not touch (RFC 4918 §15); the time of change is the client's to set."""
