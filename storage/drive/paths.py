"""Names and paths: cleaned once, here, and trusted from then on.

A `Path` is relative to the root of a space and holds decoded names. Whoever has one need not think
of dots, slashes, encodings or Unicode forms again. Nothing here asks the database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from storage.errors import Invalid

LONGEST_NAME = 255
"""In characters, after normalisation."""

# Besides slashes: C0, DEL and C1; what XML can't carry (U+FFFE, U+FFFF) would make a listing of
# the whole folder unreadable; half a surrogate pair can't be written as UTF-8.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f/\ufffe\uffff\ud800-\udfff]")
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def clean_name(name: str) -> str:
    """Return a name in the one form that is stored: NFC.

    Finder sends NFD where others send NFC; the same name must never be there twice. Raises
    Invalid for a name that no file or folder can have.
    """
    if name.isascii():
        clean = name
    else:
        clean = unicodedata.normalize("NFC", name)
    if not 1 <= len(clean) <= LONGEST_NAME:
        raise Invalid(f"A name has 1 to {LONGEST_NAME} characters.", field="name")
    if clean in (".", "..") or _FORBIDDEN.search(clean):
        raise Invalid("A name can't be . or .. or hold slashes or controls.", field="name")
    return clean


def href_of(name: str) -> str:
    """Return a name as it stands in a URL: everything but unreserved characters encoded.

    Stricter than RFC 3986 §3.3 asks: some clients parse by RFC 2396, some choke on `&` or `;`.
    """
    return quote(name, safe="")


def xml_of(name: str) -> str | None:
    """Return a name as it stands in XML text, or None when that is the name itself."""
    escaped = name.translate(_XML)
    return None if escaped == name else escaped


@dataclass(frozen=True, slots=True)
class Path:
    """A place in a space; it need not exist. The empty path is the root."""

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> Path:
        """Return the path through these decoded names. Raises Invalid."""
        return cls(tuple(clean_name(name) for name in names))

    @classmethod
    def parse(cls, text: str) -> Path:
        """Return the path that a person wrote with slashes, as on a command line.

        Not for URLs: there a slash may be part of an encoded name. Raises Invalid.
        """
        return cls.of(name for name in text.split("/") if name)

    @property
    def is_root(self) -> bool:
        """Whether this is the root of its space."""
        return not self.names

    @property
    def name(self) -> str:
        """The last name; empty for the root."""
        return self.names[-1] if self.names else ""

    @property
    def parent(self) -> Path:
        """The path without its last name; the root is its own parent."""
        return Path(self.names[:-1])

    @property
    def href(self) -> str:
        """The encoded names with slashes between them, none at either end."""
        return "/".join(href_of(name) for name in self.names)

    def child(self, name: str) -> Path:
        """Return the path of a member. Raises Invalid."""
        return Path((*self.names, clean_name(name)))

    def is_within(self, other: Path) -> bool:
        """Tell whether this is `other` or lies below it."""
        return self.names[: len(other.names)] == other.names

    def __str__(self) -> str:
        return "/" + "/".join(self.names)


ROOT = Path()
"""The root of every space."""
