"""Where a COPY or MOVE goes: the `Destination` header, and other URLs that clients send back.

A URL is first split, then decoded, once and strictly: the other way round an encoded `?` would
cut a name short (which happened to others), and two servers in a row would decode twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from davserver.dav.errors import Refusal
from davserver.http.target import without_dots
from storage.errors import Invalid

_LONGEST = 16 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)")
_AUTHORITY = re.compile(
    r"(?:[^@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{0,5}))?"
)
_PERCENT_FAULT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
# Once decoded these would become separators, or end a name in some libraries.
_ENCODED_SEPARATOR = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, in lower case and with the port written out."""

    scheme: str
    host: str
    port: int


def parse_origin(scheme: str, authority: str) -> Origin | None:
    """Read `host:port` under a scheme; user names and passwords in it are dropped."""
    found = _AUTHORITY.fullmatch(authority)
    port = _DEFAULT_PORTS.get(scheme.lower())
    if found is None or port is None:
        return None
    if found["port"]:
        port = int(found["port"])
    return Origin(scheme.lower(), found["host"].lower().rstrip("."), port)


def own_origins(*, host_header: str | None, public_url: str | None = None) -> frozenset[Origin]:
    """Return the origins that this server answers to, for one request.

    The host counts under both schemes: behind a proxy that ends TLS we see `http` where the
    client sees `https`, and it is the host that tells our tree from somebody else's.
    """
    found = [parse_origin(scheme, host_header or "") for scheme in _DEFAULT_PORTS]
    if public_url and (absolute := _ABSOLUTE.fullmatch(public_url)):
        found.append(parse_origin(absolute["scheme"], absolute["authority"]))
    return frozenset(origin for origin in found if origin is not None)


def parse_destination(value: str | None, *, origins: Collection[Origin]) -> str:
    """Return the decoded absolute path that `Destination` names; a closing slash is kept.

    Raises Invalid for what is missing or malformed, and a Refusal with 502 when the path lies on
    another server (RFC 4918 §9.8.5). KDE puts user and password into the URL; they are dropped.
    """
    if value is None:
        raise Invalid("The Destination header is missing.", field="Destination")
    text = value.strip()
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute is None:
        if not text.startswith("/") or text.startswith("//"):
            raise _malformed("it must be a URL or begin with one slash")
        return _decoded_path(text)
    if parse_origin(absolute["scheme"], absolute["authority"]) not in origins:
        raise Refusal(502, "The Destination lies on another server.")
    return _decoded_path(absolute["rest"] or "/")


def path_of_tag(url: str) -> str | None:
    """Return the decoded path of a URL in an `If` header, whatever its host; None if malformed.

    Proxies rewrite Host but never `If`, so the host that a client wrote may be one we do not know
    (test_if_header.py pins it). A path outside the device's trees has no state to compare.
    """
    absolute = _ABSOLUTE.fullmatch(url)
    path = (absolute["rest"] or "/") if absolute else url
    try:
        return _decoded_path(path) if path.startswith("/") else None
    except Invalid:
        return None


def _decoded_path(path: str) -> str:
    if len(path) > _LONGEST:
        raise _malformed("it is too long")
    if "?" in path or "#" in path:
        # No resource of ours has a query, and RFC 4918 §10.3 knows no fragment. More likely a
        # client forgot to encode a name, which must not be cut short.
        raise _malformed("it holds a query or a fragment; write %3F and %23 for those in names")
    if _PERCENT_FAULT.search(path):
        raise _malformed("a percent sign stands alone")
    if _ENCODED_SEPARATOR.search(path) or "\\" in path:
        raise _malformed("it holds a slash, a backslash or a zero byte within a name")
    resolved = without_dots(_text_of(path))
    if resolved is None:
        raise _malformed("it climbs above the root")
    return resolved


def _text_of(path: str) -> str:
    try:
        # WSGI hands raw bytes over as latin-1; some clients leave UTF-8 unencoded.
        text = unquote_to_bytes(path.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise _malformed("it is not UTF-8") from None
    if _FORBIDDEN.search(text):
        raise _malformed("it holds control characters")
    return text


def encode_path(path: str) -> str:
    """Return the one href spelling of a decoded path: all but unreserved characters encoded.

    Cyberduck reads hrefs by RFC 2396 and Finder can't bear `&amp;` in one, so nothing that either
    could stumble over is left as it is.
    """
    return quote(path, safe="/~")


def without_userinfo(url: str) -> str:
    """Return a URL fit for the log: user names and passwords taken out."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def _malformed(why: str) -> Invalid:
    return Invalid(f"The Destination can't be used: {why}.", field="Destination")
