"""Request bodies: read within a limit, parsed without trust, checked for their root element.

No document type, no entities, no network, no comments: what is left is elements, attributes and
text. What each method makes of them is in `xmlrequests.py` and `proppatch.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from davserver.dav.errors import Refusal
from davserver.dav.xmlnames import dav, split_name
from storage.errors import Invalid

LONGEST_BODY = 256 * 1024
MOST_PROPERTIES = 500

# What the table of dead properties can hold.
_LONGEST_NAMESPACE = 512
_LONGEST_LOCAL_NAME = 255
_PIECE = 64 * 1024


def read_body(read: Callable[[int], bytes], *, longest: int = LONGEST_BODY) -> bytes:
    """Read a small body to its end, whether its length was announced or not.

    `read` gives at most n bytes, and none at the end. Raises a Refusal with 413 as soon as more
    than `longest` bytes have come; what follows is never read.
    """
    pieces: list[bytes] = []
    room = longest
    while piece := read(min(_PIECE, room + 1)):
        room -= len(piece)
        if room < 0:
            raise Refusal(413, f"A request body here may have {longest} bytes at most.")
        pieces.append(piece)
    return b"".join(pieces)


def parse_xml(body: bytes) -> etree._Element:
    """Parse a body that is not trusted. The type that the client gave it is no concern.

    Raises Invalid for what is not well-formed, and a Refusal for a document type declaration.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        # The parser's own words quote the body, so they are left out.
        raise Invalid("The request body is not well-formed XML.", field="body") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal(
            403,
            "A request body must not declare a document type.",
            condition="no-external-entities",
        )
    return root


def parse_root(body: bytes, name: str) -> etree._Element:
    """Parse a body whose root must be the DAV element `name`. Raises Invalid."""
    root = parse_xml(body)
    if root.tag != dav(name):
        raise Invalid(f"The request body must be a DAV:{name} element.", field="body")
    return root


def only_child(parent: etree._Element, name: str) -> etree._Element | None:
    """Return the DAV child `name`, or None. Raises Invalid when there are two."""
    found = parent.findall(dav(name))
    if len(found) > 1:
        raise Invalid(f"There may be one DAV:{name} only.", field="body")
    return found[0] if found else None


def children(parent: etree._Element) -> Iterator[etree._Element]:
    """Give the child elements; the parser has left nothing else between them."""
    return iter(parent)


def text_within(element: etree._Element) -> str:
    """Return all text of an element and what it holds."""
    return "".join(str(text) for text in element.itertext())


def property_names(parent: etree._Element) -> tuple[str, ...]:
    """Return the names of the child elements, each once, in the order of their first mention."""
    names = dict.fromkeys(checked_name(child) for child in children(parent))
    refuse_too_many(len(names))
    return tuple(names)


def refuse_too_many(count: int) -> None:
    """Raise a Refusal when one request names more properties than any client has use for."""
    if count > MOST_PROPERTIES:
        raise Refusal(413, f"A request may name {MOST_PROPERTIES} properties at most.")


def checked_name(element: etree._Element) -> str:
    """Return the element's name. Raises Invalid when it is longer than can be stored."""
    name = str(element.tag)
    namespace, local = split_name(name)
    if len(namespace) > _LONGEST_NAMESPACE or len(local) > _LONGEST_LOCAL_NAME:
        raise Invalid("The name of a property is too long.", field="body")
    return name
