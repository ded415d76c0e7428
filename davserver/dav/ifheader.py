"""WebDAV's `If` header (RFC 4918 §10.4): a parser of our own, and its evaluation.

The framework's parser breaks on blanks and `]` in entity tags and overlooks tagged lists with
absolute URLs, which let a wrong tag overwrite data. This one reads the whole grammar or refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from davserver.dav.etags import ETag, parse_etag
from storage.errors import Invalid

_LONGEST = 16 * 1024
_MOST_CONDITIONS = 200

_BLANKS = re.compile(r"[ \t]*")
_CODED_URL = re.compile(r"<(?P<url>[^<>\x00-\x20\x7f]+)>")
_NOT = re.compile(r"not(?=[ \t<\[])", re.IGNORECASE)
_BRACKETED_TAG = re.compile(r'\[[ \t]*(?P<tag>(?:[Ww]/)?"[^"]*")[ \t]*\]')


@dataclass(frozen=True, slots=True)
class IfCondition:
    """One lock token or one entity tag, maybe with `Not` before it."""

    token: str | None = None
    etag: ETag | None = None
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class IfList:
    """Conditions that must all hold for one resource.

    `path` is where the tag pointed after resolving. It is None for an untagged list, which is
    about the request's own resource, and for a tag that names nothing of ours (`is_foreign`).
    """

    conditions: tuple[IfCondition, ...]
    path: str | None = None
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class IfHeader:
    """The whole header; it holds when one of its lists does."""

    lists: tuple[IfList, ...]

    @property
    def tokens(self) -> frozenset[str]:
        """Every token that is submitted: its mere appearance counts (RFC 4918 §10.4.1)."""
        return frozenset(
            condition.token
            for listed in self.lists
            for condition in listed.conditions
            if condition.token is not None
        )

    @property
    def paths(self) -> frozenset[str]:
        """The tagged resources, whose states `holds` will ask for."""
        return frozenset(listed.path for listed in self.lists if listed.path is not None)

    def holds(self, state_of: Callable[[str | None], ResourceState]) -> bool:
        """Tell whether the header lets the request pass; if not, the answer is 412.

        `state_of` gives the state of a path; of the request's own resource for None.
        """
        return any(_list_holds(listed, state_of) for listed in self.lists)


@dataclass(frozen=True, slots=True)
class ResourceState:
    """What conditions are compared with; an unmapped URL has no tag but may have locks."""

    etag: str | None = None
    tokens: frozenset[str] = frozenset()


_NOWHERE = ResourceState()


def _list_holds(listed: IfList, state_of: Callable[[str | None], ResourceState]) -> bool:
    state = _NOWHERE if listed.is_foreign else state_of(listed.path)
    return all(_matches(it, state) != it.is_negated for it in listed.conditions)


def _matches(condition: IfCondition, state: ResourceState) -> bool:
    if condition.etag is not None:
        # RFC 4918 §10.4.4 allows either comparison. The weak one lets tags pass that a
        # compressing proxy marked as weak; ours name the bytes all the same.
        return condition.etag.opaque == state.etag
    return condition.token in state.tokens


def parse_if(value: str | None, resolve: Callable[[str], str | None]) -> IfHeader | None:
    """Read the header; None when it is missing.

    `resolve` turns the URL of a tag into a path, or None where it is none of ours. Raises Invalid
    for what does not follow the grammar, and for more conditions than any client has use for.
    """
    if value is None:
        return None
    if len(value) > _LONGEST:
        raise Invalid("The If header is too long.", field="If")
    lists = _Reader(value, resolve).read()
    return IfHeader(tuple(lists))


class _Reader:
    """Reads the grammar from left to right, one small step per method."""

    def __init__(self, text: str, resolve: Callable[[str], str | None]) -> None:
        self.text = text
        self.position = 0
        self.resolve = resolve
        self.count = 0

    def read(self) -> list[IfList]:
        lists: list[IfList] = []
        tag: str | None = None
        tag_is_open = False
        while not self.at_end():
            if found := self.take(_CODED_URL):
                if tag_is_open or (lists and tag is None):
                    raise _malformed("a tag must stand before its lists")
                tag, tag_is_open = found["url"], True
            else:
                lists.append(self.read_list(tag))
                tag_is_open = False
        if not lists or tag_is_open:
            raise _malformed("it holds no list of conditions")
        return lists

    def read_list(self, tag: str | None) -> IfList:
        self.expect("(")
        conditions: list[IfCondition] = []
        while not self.take_text(")"):
            conditions.append(self.read_condition())
        if not conditions:
            raise _malformed("a list is empty")
        if tag is None:
            return IfList(tuple(conditions))
        path = self.resolve(tag)
        return IfList(tuple(conditions), path=path, is_foreign=path is None)

    def read_condition(self) -> IfCondition:
        self.count += 1
        if self.count > _MOST_CONDITIONS:
            raise Invalid("The If header holds too many conditions.", field="If")
        is_negated = self.take(_NOT) is not None
        if found := self.take(_CODED_URL):
            return IfCondition(token=found["url"], is_negated=is_negated)
        if found := self.take(_BRACKETED_TAG):
            return IfCondition(etag=parse_etag(found["tag"]), is_negated=is_negated)
        raise _malformed("a condition is neither <a lock token> nor [an entity tag]")

    def at_end(self) -> bool:
        self.skip_blanks()
        return self.position >= len(self.text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip_blanks()
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def take_text(self, text: str) -> bool:
        self.skip_blanks()
        if not self.text.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def expect(self, text: str) -> None:
        if not self.take_text(text):
            raise _malformed(f"{text} is missing")

    def skip_blanks(self) -> None:
        blanks = _BLANKS.match(self.text, self.position)
        self.position = blanks.end() if blanks else self.position


def _malformed(why: str) -> Invalid:
    return Invalid(f"The If header can't be understood: {why}.", field="If")
