"""The path of a request target, decoded exactly once.

Stock cheroot leaves `%2F` half-decoded, hands invalid UTF-8 on and refuses absolute-form and `//x`
(cheroot #823). Here every layer above sees one cleaned path, so that no two of them can disagree
about what it names. Tests: tests/davserver/http/test_target.py.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from davserver.http.refusals import Refused

# An encoded slash or backslash would be a separator to one reader and part of a name to another.
_AMBIGUOUS = re.compile(r"\\|%2[fF]|%5[cC]|%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # C1 too: U+0085 ends a line in some log readers
_NEEDS_CARE = re.compile(r"[%\\]|//|/\.")
_ABSOLUTE = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


def split_target(method: str, target: str) -> tuple[str, str, str | None, str | None]:
    """Return the raw path, the query, and scheme and authority where the target names them.

    RFC 9112 §3.2: origin-form, absolute-form (a server must accept it) and `OPTIONS *`.
    Authority-form belongs to CONNECT, which we do not offer.
    """
    scheme = authority = None
    if target[0] != "/":
        if target == "*" and method == "OPTIONS":
            return "*", "", None, None
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise _bad_target("The request target is neither a path nor an http address.")
        scheme, authority, target = absolute[1].lower(), absolute[2], absolute[3]
        if not target.startswith("/"):
            target = "/" + target
    path, _, query = target.partition("?")
    return path, query, scheme, authority


def decode_path(raw: str) -> str:
    """Return the path as text: decoded once, without empty and dot segments.

    Raises Refused (400) for what is not strict UTF-8, for encoded separators, control characters
    and paths that climb above the root (RFC 3986 §5.2.4 would quietly stay there).
    """
    if _NEEDS_CARE.search(raw) is None:
        return raw  # the parser has let visible ASCII pass only
    if _AMBIGUOUS.search(raw) is not None:
        raise _bad_target("The path holds a broken escape, or an encoded slash or backslash.")
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise _bad_target("The path is not UTF-8.") from None
    if _CONTROL.search(path) is not None:
        raise _bad_target("The path holds a control character.")
    if "//" in path or "/." in path:
        resolved = without_dots(path)
        if resolved is None:
            raise _bad_target("The path climbs above the root.")
        return resolved
    return path


def without_dots(path: str) -> str | None:
    """Resolve dot segments and doubled slashes of a decoded path; None if it climbs out.

    Decoded first, so that %2E%2E counts too. A Destination is resolved by this same rule: two
    readings of one path are how somebody gets where they may not.
    """
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if not kept:
                return None
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    ends_open = kept and segments[-1] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if ends_open else "")


def _bad_target(sentence: str) -> Refused:
    return Refused(400, "target", sentence)
