"""Changes of properties: PROPPATCH bodies, and the same form within an extended MKCOL (RFC 5689).

A value is kept as one element that stands by itself: every namespace it needs is declared on it,
an inherited language is written on it, and nothing that followed it comes along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from davserver.dav.errors import VALID_RESOURCETYPE, Refusal
from davserver.dav.xmlin import (
    checked_name,
    children,
    only_child,
    parse_root,
    parse_xml,
    refuse_too_many,
    text_within,
)
from davserver.dav.xmlnames import dav
from storage.errors import Invalid

LONGEST_VALUE = 64 * 1024
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property to be set or removed.

    `xml` is the element to keep, None for a removal; `text` is all text within it, which is what
    live properties are read from.
    """

    name: str
    xml: str | None = None
    text: str = ""

    @property
    def is_removal(self) -> bool:
        """Whether the property goes away."""
        return self.xml is None


def parse_proppatch(body: bytes) -> tuple[PropertyChange, ...]:
    """Read a PROPPATCH body; the order is the document's, as RFC 4918 §9.2 wants it carried out.

    Raises Invalid for a body that changes nothing, a Refusal for one that is too large.
    """
    changes = _changes(parse_root(body, "propertyupdate"))
    if not changes:
        raise Invalid("A propertyupdate sets or removes at least one property.", field="body")
    return changes


def parse_mkcol(body: bytes) -> tuple[PropertyChange, ...]:
    """Read an extended MKCOL body and return what it sets beside the resource type; none: ().

    Raises a Refusal: 415 for a body that is something else (RFC 4918 §9.3), and 403 for a type of
    collection that we don't have (RFC 5689 §3.3).
    """
    if not body.strip():
        return ()
    try:
        root = parse_xml(body)
    except Invalid:
        root = None
    if root is None or root.tag != dav("mkcol"):
        raise Refusal(415, "MKCOL takes no body but a DAV:mkcol element.")
    for types in root.findall(f"{dav('set')}/{dav('prop')}/{dav('resourcetype')}"):
        if [child.tag for child in children(types)] != [dav("collection")]:
            raise Refusal(403, "Only plain folders can be made here.", condition=VALID_RESOURCETYPE)
    return tuple(it for it in _changes(root) if it.name != dav("resourcetype"))


def _changes(root: etree._Element) -> tuple[PropertyChange, ...]:
    changes: list[PropertyChange] = []
    for instruction in children(root):
        if instruction.tag not in (dav("set"), dav("remove")):
            continue
        properties = only_child(instruction, "prop")
        if properties is None:
            raise Invalid("Each set and each remove holds a prop.", field="body")
        is_removal = instruction.tag == dav("remove")
        changes += [_change(element, is_removal) for element in children(properties)]
        refuse_too_many(len(changes))
    return tuple(changes)


def _change(element: etree._Element, is_removal: bool) -> PropertyChange:
    name = checked_name(element)
    if is_removal:
        return PropertyChange(name)
    text = text_within(element)
    xml = _standing_alone(element)
    if len(xml.encode()) > LONGEST_VALUE:
        raise Refusal(413, f"A property may have {LONGEST_VALUE} bytes at most.")
    return PropertyChange(name, xml, text)


def _standing_alone(element: etree._Element) -> str:
    language = next((value for it in _upwards(element) if (value := it.get(_LANG))), None)
    if language is not None:
        element.set(_LANG, language)
    # Serialising writes down every namespace that is in scope. Those that nothing refers to go,
    # lest each value carries the client's whole preamble; a prefix may also be used by a
    # qualified name within text or an attribute, so one that occurs there stays.
    alone = parse_xml(etree.tostring(element, encoding="utf-8", with_tail=False))
    words = _words(alone)
    spoken = [prefix for prefix in alone.nsmap if prefix and f"{prefix}:" in words]
    etree.cleanup_namespaces(alone, keep_ns_prefixes=spoken)
    return etree.tostring(alone, encoding="unicode")


def _upwards(element: etree._Element) -> list[etree._Element]:
    return [element, *element.iterancestors()]


def _words(element: etree._Element) -> str:
    attributes = [str(value) for it in element.iter() for value in it.attrib.values()]
    return "\n".join([text_within(element), *attributes])
