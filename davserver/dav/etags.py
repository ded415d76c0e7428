"""Entity tags: reading them from headers and comparing them (RFC 9110 §8.8.3).

Our own are always strong. Clients send back what they were given, what a proxy made of it, or
something of their own invention; the last kind matches nothing and is never an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# RFC 9110 §8.8.3: anything but quotes and control characters, blanks and `]` included. There is
# no escaping. A tag that stands between commas without quotes is kept apart, as unreadable.
_TAG = re.compile(r'(?P<weak>[Ww]/)?"(?P<opaque>[^"\x00-\x1f\x7f]*)"')
_ELEMENT = re.compile(r'\s*(?:(?P<tag>(?:[Ww]/)?"[^"]*")|[^,"]*)\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class ETag:
    """One entity tag, without its quotes."""

    opaque: str
    is_weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" if self.is_weak else ""}"{self.opaque}"'


@dataclass(frozen=True, slots=True)
class ETagList:
    """What `If-Match` or `If-None-Match` lists: `*`, or tags; it may hold none that is readable."""

    is_any: bool = False
    tags: tuple[ETag, ...] = ()

    def matches_strongly(self, opaque: str) -> bool:
        """Tell whether the strong tag `opaque` is listed as a strong one."""
        return self.is_any or any(tag.opaque == opaque and not tag.is_weak for tag in self.tags)

    def matches_weakly(self, opaque: str) -> bool:
        """Tell whether `opaque` is listed, strong or weak."""
        return self.is_any or any(tag.opaque == opaque for tag in self.tags)


def parse_etag(text: str) -> ETag | None:
    """Read one entity tag; None when it is none."""
    found = _TAG.fullmatch(text.strip())
    return found and ETag(found["opaque"], is_weak=found["weak"] is not None)


def parse_etag_list(value: str | None) -> ETagList | None:
    """Read a list of entity tags; None when the header is missing.

    What is no entity tag is left out, so it never matches: Joplin sends
    `If-None-Match: JoplinIgnore-3` with everything and must be able to write.
    """
    if value is None:
        return None
    if value.strip() == "*":
        return ETagList(is_any=True)
    tags = []
    position = 0
    while position < len(value):
        element = _ELEMENT.match(value, position)
        if element is None:  # an unbalanced quote: nothing after it can be told apart
            break
        if element["tag"] and (tag := parse_etag(element["tag"])):
            tags.append(tag)
        position = max(element.end(), position + 1)
    return ETagList(tags=tuple(tags))
