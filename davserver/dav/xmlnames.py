"""Names of XML elements: `{namespace}local` on the inside, prefixes in what is sent.

Windows needs prefixes (a default namespace gives it empty folders), so every namespace gets one,
declared once on the root element.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

DAV: Final = "DAV:"
OWNCLOUD: Final = "http://owncloud.org/ns"
MICROSOFT: Final = "urn:schemas-microsoft-com:"

_XML: Final = "http://www.w3.org/XML/1998/namespace"

_WELL_KNOWN = {
    DAV: "D",
    _XML: "xml",
    OWNCLOUD: "oc",
    "http://nextcloud.org/ns": "nc",
    MICROSOFT: "Z",
    "http://apache.org/dav/props/": "ap",
    "http://www.apple.com/webdav_fs/props/": "af",
}


def dav(local: str) -> str:
    """Return the name of an element of WebDAV's own namespace."""
    return f"{{{DAV}}}{local}"


def split_name(name: str) -> tuple[str, str]:
    """Return namespace (maybe empty) and local part."""
    if not name.startswith("{"):
        return "", name
    namespace, _, local = name[1:].rpartition("}")
    return namespace, local


def escape_text(text: str) -> str:
    """Escape text for the inside of an element."""
    return escape(text)


class Prefixes:
    """Prefixes for the namespaces of some names; `D` is always among them."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._prefixes = {DAV: "D"}
        for name in names:
            self._admit(split_name(name)[0])

    def _admit(self, namespace: str) -> None:
        if namespace and namespace not in self._prefixes:
            number = len(self._prefixes)
            self._prefixes[namespace] = _WELL_KNOWN.get(namespace, f"x{number}")

    def qualified(self, name: str) -> str:
        """Return `prefix:local`; the bare local part for a name without a namespace."""
        namespace, local = split_name(name)
        return f"{self._prefixes[namespace]}:{local}" if namespace else local

    def empty(self, name: str) -> str:
        """Return the empty element of that name."""
        return f"<{self.qualified(name)}/>"

    def element(self, name: str, inner: str) -> str:
        """Return the element with `inner`, which must be XML already."""
        if not inner:
            return self.empty(name)
        qualified = self.qualified(name)
        return f"<{qualified}>{inner}</{qualified}>"

    @property
    def declarations(self) -> str:
        """The attributes that declare all prefixes, with a blank before each."""
        return "".join(
            f" xmlns:{prefix}={quoteattr(namespace)}"
            for namespace, prefix in self._prefixes.items()
            if namespace != _XML  # it is declared by nature, and by nobody else
        )
