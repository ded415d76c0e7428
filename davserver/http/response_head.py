"""A response's head: the application's status and headers, checked, completed and joined.

Stock cheroot sends whatever an application puts into a header (CR and LF split the response), never
looks at its `Connection: close`, and names its version in `Server`.
Tests: tests/davserver/http/test_gateway.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from davserver.http.security_headers import SECURITY_NAMES

_STATUS = re.compile(r"[2-5][0-9]{2}(?: [\t -~]*)?").fullmatch
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# Nothing but HTAB, visible characters and obs-text; the CR LF between lines is counted apart.
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_OURS = frozenset(["keep-alive", "proxy-connection", "trailer", "upgrade", "server"])

_PLAIN, _DROPPED, _LENGTH, _TYPE, _CONNECTION, _CODING, _DATE, _SECURITY = range(8)
_SPECIAL = {
    "content-length": _LENGTH,
    "content-type": _TYPE,
    "connection": _CONNECTION,
    "transfer-encoding": _CODING,
    "date": _DATE,
}
_kinds: dict[str, int] = {}
_MOST_KNOWN_NAMES = 1024


class BadResponse(Exception):
    """The application made a head that must not be sent; a 500 goes out in its place."""


@dataclass(slots=True)
class ResponseHead:
    """What the application said, ready to be joined."""

    code: int
    status: str
    lines: str
    content_length: int | None = None
    is_page: bool = False
    closes: bool = False
    has_date: bool = False
    security: frozenset[str] | None = None

    @property
    def has_no_body(self) -> bool:
        """Whether the status forbids a body (RFC 9110 §6.4.1)."""
        return self.code in (204, 304)


def check_head(status: str, headers: list[tuple[str, str]]) -> ResponseHead:
    """Return what the application said, or raise BadResponse."""
    if _STATUS(status) is None:
        raise BadResponse("the status is not three digits and a reason")
    head = ResponseHead(int(status[:3]), status if len(status) > 3 else status + " ", "")
    lines: list[str] = []
    for name, value in headers:
        kind = _kinds.get(name)
        if kind is None:
            kind = _learn(name)
        if kind != _PLAIN and not _note(head, kind, name, value):
            continue
        lines.append(f"{name}: {value}\r\n")
    head.lines = "".join(lines)
    _check_characters(head.lines, len(lines))
    return head


def _check_characters(text: str, count: int) -> None:
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadResponse("a header value does not fit into latin-1 (PEP 3333)") from None
    if raw.count(b"\n") != count or raw.count(b"\r") != count:
        raise BadResponse("a header value holds a line break")
    if len(raw.translate(None, _CONTROLS)) != len(raw):
        raise BadResponse("a header value holds a control character")


def _learn(name: str) -> int:
    if _NAME(name) is None:
        raise BadResponse("a header name is no token")
    lower = name.lower()
    kind = _SPECIAL.get(lower, _PLAIN)
    if lower in _OURS:
        kind = _DROPPED
    elif lower in SECURITY_NAMES:
        kind = _SECURITY
    if len(_kinds) < _MOST_KNOWN_NAMES:
        _kinds[name] = kind
    return kind


def _note(head: ResponseHead, kind: int, name: str, value: str) -> bool:
    """Take notice of a header that means something to us; say whether it is sent as it is."""
    if kind == _LENGTH:
        if not (value.isascii() and value.isdigit()) or head.content_length is not None:
            raise BadResponse("Content-Length is not one plain number")
        head.content_length = int(value)
        return False  # 204 must not carry it, so it is added at the end
    if kind == _TYPE:
        head.is_page = value[:9].lower() == "text/html"
    elif kind == _CONNECTION:
        head.closes = "close" in [option.strip().lower() for option in value.split(",")]
        return False
    elif kind == _CODING:
        raise BadResponse("Transfer-Encoding is the server's to set (PEP 3333)")
    elif kind == _DATE:
        head.has_date = True
    elif kind == _SECURITY:
        head.security = (head.security or frozenset()) | {name.lower()}
    return kind != _DROPPED
