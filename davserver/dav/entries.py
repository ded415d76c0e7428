"""What the renderers are given: the rows of a listing, and what surrounds them.

Rows come from one query and are read attribute by attribute, only those that a request asks for.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, Protocol

from davserver.dav.lockxml import ShownLock


class Entry(Protocol):
    """A file or a folder: the columns of `nodes`, and those of its blob where they are needed.

    A row of the database, a named tuple or a frozen dataclass will all do.
    """

    @property
    def id(self) -> int:
        """Its number, which it keeps for life."""

    @property
    def name(self) -> str:
        """As typed, in NFC."""

    @property
    def name_href(self) -> str:
        """The name with all but unreserved characters percent-encoded."""

    @property
    def name_xml(self) -> str | None:
        """The name escaped for XML; None where that changes nothing."""

    @property
    def kind(self) -> str:
        """`file` or `folder`."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    @property
    def content_type(self) -> str | None:
        """The media type; None where nobody knew it."""

    @property
    def etag(self) -> str:
        """The strong entity tag, without its quotes."""

    @property
    def mtime(self) -> datetime:
        """When the client says it was changed, in UTC."""

    @property
    def created_at(self) -> datetime:
        """When it came to us, in UTC."""

    @property
    def sha1(self) -> bytes | None:
        """Asked for with `oc:checksums` only, like the two that follow."""

    @property
    def md5(self) -> bytes | None:
        """The same for MD5."""

    @property
    def sha256(self) -> bytes | None:
        """The same for SHA-256."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What properties say beyond the row itself; one value serves a whole listing.

    `locks` and `dead` are keyed by node id. `inherited_locks` reach down from folders above.
    `dead` holds each property's element by its `{namespace}local` name.
    """

    may_write: bool = False
    principal_href: str | None = None
    owner_href: str | None = None
    used_bytes: int | None = None
    available_bytes: int | None = None
    sync_token: Callable[[Entry], str] | None = None  # each folder has one of its own
    instance: str = "davserver"
    locks: Mapping[int, Sequence[ShownLock]] = field(default_factory=dict)
    inherited_locks: Sequence[ShownLock] = ()
    dead: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


NO_SURROUNDINGS: Final = Surroundings()


def as_entries(rows: Iterable[Any]) -> Iterator[Entry]:
    """Copy rows of the database into named tuples of the same fields.

    Their attributes are read several times faster, which pays from the second property on. Rows are
    Any here as their columns have all types; they only need `_fields`.
    """
    remaining = iter(rows)
    for first in remaining:
        make = _tuple_type(tuple(first._fields))._make
        yield make(first)
        yield from map(make, remaining)


@cache
def _tuple_type(fields: tuple[str, ...]) -> Any:
    # Any: a type whose fields are known at run time only. There are as many as there are queries.
    build: Any = namedtuple  # typing.NamedTuple takes no list
    return build("EntryTuple", fields)
