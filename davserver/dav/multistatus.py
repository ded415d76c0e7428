"""The renderer of PROPFIND and REPORT bodies: rows in, pieces of XML out, no tree between.

A request is compiled once into a `Renderer` and remembered. Binding it to what surrounds a
listing gives, for files and for folders, one template and the functions that fill its gaps; an
entry then costs one pass over those functions and one `%`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final
from xml.sax.saxutils import quoteattr

from davserver.dav.entries import NO_SURROUNDINGS, Entry, Surroundings
from davserver.dav.properties import ETAG, LIVE_PROPERTIES, Get, Kind, LiveProperty, Shown
from davserver.dav.xmlnames import Prefixes, split_name
from davserver.dav.xmlrequests import Asked, PropfindRequest

_OK: Final = "<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
_MISSING: Final = "<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"
_OPEN: Final = "<D:propstat><D:prop>"
_CLOSE: Final = "</D:prop>"
_END: Final = "</D:response>"
_LONGEST_REMEMBERED: Final = 4096


class Place(Enum):
    """Where in an answer an entry stands; allprop tells more of what was asked about itself."""

    ALONE = Shown.ALONE  # Depth 0
    FIRST = Shown.FIRST  # the folder before its members
    MEMBER = Shown.EVERYWHERE


_FormKey = tuple[Kind, Place, bool]


@dataclass(frozen=True, slots=True)
class _Slot:
    """One property in a form: what stands before and after its value, and where that comes from.

    `xml` is the value where all entries share it. A slot that nobody asked for by name is left
    out, not reported missing, when it turns out empty.
    """

    name: str
    before: str = ""
    after: str = ""
    get: Get | None = None
    xml: str | None = None
    is_asked: bool = True


class _Form:
    """All that is known of the answers for one kind of entry before the first entry is seen."""

    def __init__(
        self, slots: list[_Slot], prefixes: Prefixes, *, kind: Kind, minimal: bool
    ) -> None:
        self._slots = slots
        self._prefixes = prefixes
        self._minimal = minimal
        self._slash = "/" if kind == "folder" else ""
        self._open_slots = [slot for slot in slots if slot.get is not None]
        self._getters = [slot.get for slot in self._open_slots if slot.get is not None]
        self._template = self._body({slot.name: "%s" for slot in self._open_slots}, _doubled)

    def fill(self, href: str, entry: Entry) -> str:
        """Return the response of one entry. A folder's `href` is given without its last slash."""
        values = [get(entry) for get in self._getters]
        if None in values:
            return self._fill_partly(href, values)
        return f"<D:response><D:href>{href}{self._template % tuple(values)}"

    def _fill_partly(self, href: str, values: list[object]) -> str:
        # Seldom: an entry without something that others of its kind have.
        texts = {
            slot.name: str(value)
            for slot, value in zip(self._open_slots, values, strict=True)
            if value is not None
        }
        return f"<D:response><D:href>{href}{self._body(texts, str)}"

    def _body(self, texts: Mapping[str, str], literal: Callable[[str], str]) -> str:
        """Return all after the href; `literal` treats what is not the text of a value."""
        present: list[str] = []
        missing: list[str] = []
        for slot in self._slots:
            if slot.xml is not None:
                present.append(literal(self._prefixes.element(slot.name, slot.xml)))
            elif slot.name in texts:
                present.append(literal(slot.before) + texts[slot.name] + literal(slot.after))
            elif slot.is_asked:
                missing.append(literal(self._prefixes.empty(slot.name)))
        report_missing = bool(missing) and not self._minimal
        parts = [self._slash, "</D:href>"]
        if present or not report_missing:
            parts += [_OPEN, *present, _CLOSE, _OK]
        if report_missing:
            parts += [_OPEN, *missing, _CLOSE, _MISSING]
        return "".join([*parts, _END])


def _doubled(text: str) -> str:
    return text.replace("%", "%%")


class Renderer:
    """A compiled request. The `needs_…` tell what must be fetched beside the rows."""

    def __init__(self, request: PropfindRequest, *, minimal: bool = False) -> None:
        self.request = request
        self.minimal = minimal
        rows = [LIVE_PROPERTIES[name] for name in self._live_names()]
        self._unknown = tuple(name for name in request.names if name not in LIVE_PROPERTIES)
        self.prefixes = Prefixes([*(row.name for row in rows), *self._unknown])
        needs = {row.needs for row in rows}
        if request.asked is Asked.NAMES:
            needs &= {"quota", "sync"}  # those that some folders have and others have not
        self.needs_dead = request.asked is not Asked.NAMED or bool(self._unknown)
        self.needs_locks = "locks" in needs
        self.needs_quota = "quota" in needs
        self.needs_checksums = "checksums" in needs
        self.needs_sync_token = "sync" in needs
        self._rows = rows
        self._is_fixed = request.asked is Asked.NAMED and all(row.is_fixed for row in rows)
        self._fixed_forms = self._forms_if_fixed()

    def _live_names(self) -> list[str]:
        asked = [name for name in self.request.names if name in LIVE_PROPERTIES]
        if self.request.asked is Asked.NAMED:
            return asked
        if self.request.asked is Asked.NAMES:
            return list(LIVE_PROPERTIES)
        shown = [row.name for row in LIVE_PROPERTIES.values() if row.shown is not Shown.NEVER]
        return list(dict.fromkeys(shown + asked))

    def _forms_if_fixed(self) -> dict[_FormKey, _Form]:
        # Forms that nothing around them can change are made here, once for all requests.
        if not self._is_fixed:
            return {}
        kinds: tuple[Kind, ...] = ("file", "folder")
        return {
            (kind, place, False): self.form(kind, place, NO_SURROUNDINGS, has_dead=False)
            for kind in kinds
            for place in Place
        }

    def bind(self, surroundings: Surroundings = NO_SURROUNDINGS) -> Listing:
        """Return the renderer of one listing."""
        return Listing(self, surroundings, dict(self._fixed_forms))

    def form(
        self, kind: Kind, place: Place, surroundings: Surroundings, *, has_dead: bool
    ) -> _Form:
        """Return a new form. Without `has_dead`, the entry is known to have no dead property."""
        slots = [
            slot
            for row in self._rows
            if (slot := self._live_slot(row, kind, place, surroundings)) is not None
        ]
        slots += self._dead_slots(surroundings.dead, has_dead=has_dead)
        return _Form(slots, self.prefixes, kind=kind, minimal=self.minimal)

    def _live_slot(
        self, row: LiveProperty, kind: Kind, place: Place, surroundings: Surroundings
    ) -> _Slot | None:
        is_asked = row.name in self.request.names
        if not is_asked and self.request.asked is Asked.ALL and row.shown > place.value:
            return None
        bind = row.on(kind)
        value = None if bind is None else bind(surroundings)
        if self.request.asked is Asked.NAMES:
            return None if value is None else _Slot(row.name, xml="")
        if value is None or isinstance(value, str):
            return _Slot(row.name, xml=value, is_asked=is_asked)
        # RFC 4918 §15.6: the value is the header's, so it has the header's quotes.
        quote = '"' if row.name == ETAG else ""
        tag = self.prefixes.qualified(row.name)
        return _Slot(row.name, f"<{tag}>{quote}", f"{quote}</{tag}>", value, is_asked=is_asked)

    def _dead_slots(self, dead: Mapping[int, Mapping[str, str]], *, has_dead: bool) -> list[_Slot]:
        slots = [
            _Slot(name, get=_dead_getter(dead, name) if has_dead else None)
            for name in self._unknown
        ]
        if has_dead and self.request.asked is Asked.ALL:
            slots.append(_Slot("", get=_others_getter(dead, frozenset(self._unknown))))
        if has_dead and self.request.asked is Asked.NAMES:
            slots.append(_Slot("", get=_names_getter(dead)))
        return slots


@lru_cache(maxsize=128)
def _remembered(request: PropfindRequest, minimal: bool) -> Renderer:
    return Renderer(request, minimal=minimal)


def renderer_for(request: PropfindRequest, *, minimal: bool = False) -> Renderer:
    """Return the compiled renderer of a request, which clients send over and over."""
    # A long list of made-up names is compiled and thrown away, lest it fills the memory.
    if sum(map(len, request.names)) > _LONGEST_REMEMBERED:
        return Renderer(request, minimal=minimal)
    return _remembered(request, minimal)


class Listing:
    """A renderer bound to what surrounds one listing. Hrefs come in encoded."""

    def __init__(
        self, renderer: Renderer, surroundings: Surroundings, forms: dict[_FormKey, _Form]
    ) -> None:
        self._renderer = renderer
        self._surroundings = surroundings
        self._forms = forms
        self._dead = surroundings.dead if renderer.needs_dead else {}

    def one(self, href: str, entry: Entry, place: Place = Place.MEMBER) -> str:
        """Return the response of one entry whose whole href is known.

        A folder's response ends its href with a slash, whether the given one does or not.
        """
        kind: Kind = "folder" if entry.kind == "folder" else "file"
        form = self._form(kind, place, has_dead=entry.id in self._dead)
        return form.fill(href.removesuffix("/") if kind == "folder" else href, entry)

    def members(self, folder_href: str, entries: Iterable[Entry]) -> Iterator[str]:
        """Give the responses of what a folder holds; `folder_href` ends with a slash."""
        file = self._form("file", Place.MEMBER, has_dead=False)
        folder = self._form("folder", Place.MEMBER, has_dead=False)
        dead = self._dead
        for entry in entries:
            href = folder_href + entry.name_href
            if dead and entry.id in dead:
                yield self.one(href, entry)
            else:
                yield (folder if entry.kind == "folder" else file).fill(href, entry)

    def _form(self, kind: Kind, place: Place, *, has_dead: bool) -> _Form:
        key = (kind, place, has_dead)
        form = self._forms.get(key)
        if form is None:
            form = self._renderer.form(kind, place, self._surroundings, has_dead=has_dead)
            self._forms[key] = form
        return form


def _dead_getter(dead: Mapping[int, Mapping[str, str]], name: str) -> Get:
    return lambda entry: dead[entry.id].get(name)


def _others_getter(dead: Mapping[int, Mapping[str, str]], named: frozenset[str]) -> Get:
    """Give all dead properties of an entry but those that have a slot of their own."""
    return lambda entry: "".join(xml for name, xml in dead[entry.id].items() if name not in named)


def _names_getter(dead: Mapping[int, Mapping[str, str]]) -> Get:
    return lambda entry: "".join(_named_element(name) for name in dead[entry.id])


def _named_element(name: str) -> str:
    namespace, local = split_name(name)
    return f"<x:{local} xmlns:x={quoteattr(namespace)}/>" if namespace else f"<{local}/>"


def multistatus(
    prefixes: Prefixes, responses: Iterable[str], *, tail: str = "", piece_length: int = 128 * 1024
) -> Iterator[bytes]:
    """Give a whole 207 body in pieces of about `piece_length`, for streaming or for joining.

    `tail` is what follows the responses, such as the sync-token.
    """
    held = [f'<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus{prefixes.declarations}>']
    length = 0
    for response in responses:
        held.append(response)
        length += len(response)
        if length >= piece_length:
            yield _encoded(held)
            held, length = [], 0
    held += [tail, "</D:multistatus>"]
    yield _encoded(held)


def _encoded(parts: list[str]) -> bytes:
    # A name that is not valid text must cost a question mark, never the whole listing.
    return "".join(parts).encode("utf-8", "replace")
