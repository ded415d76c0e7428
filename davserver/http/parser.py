"""A request's head, from bytes to WSGI keys, refused by default (RFC 9112 §§2–6, RFC 9110 §5).

Stock cheroot takes duplicate, signed and underscored Content-Lengths (cheroot #275, #737, #738),
Content-Length beside Transfer-Encoding, a space before the colon (#230, #714), empty names (#721),
NUL and CR in values (#720), vertical tabs as blanks (#725), spaces after the version (#717),
obs-fold, and folds underscored names onto real ones (#17).
Tests: tests/davserver/http/test_parser.py.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from davserver.http.refusals import Refused

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's word, not a secret
_IS_TOKEN = re.compile(_TOKEN).fullmatch
# Visible ASCII only: RFC 3986 knows no other; a fragment is never sent (RFC 9112 §3.2).
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-\"$-~]+) HTTP/1\.([01])").fullmatch
_OTHER_VERSION = re.compile(rf"{_TOKEN} [!-~]+ HTTP/[0-9]\.[0-9]").fullmatch
_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?").fullmatch
# All controls but HTAB and the CR and LF, which are counted apart.
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_MOST_LENGTH_DIGITS = 18  # below 2**63

_LIST, _SINGLE, _DROPPED, _FORWARDED = range(4)
_SINGLE_NAMES = (
    "authorization", "content-encoding", "content-length", "content-location", "content-md5",
    "content-range", "content-type", "date", "depth", "destination", "digest", "expect", "from",
    "host", "if", "if-modified-since", "if-range", "if-unmodified-since", "lock-token",
    "max-forwards", "oc-checksum", "oc-chunked", "oc-total-length", "origin", "overwrite",
    "proxy-authorization", "range", "referer", "timeout", "transfer-encoding", "translate",
    "user-agent", "x-csrf-token", "x-expected-entity-length", "x-http-method-override",
    "x-oc-ctime", "x-oc-mtime", "x-requested-with",
)  # fmt: skip
_FORWARDED_NAMES = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    "x-forwarded-server", "x-forwarded-ssl", "x-forwarded-scheme", "x-forwarded-prefix",
    "x-forwarded-path", "x-real-ip", "x-client-ip", "x-script-name", "front-end-https",
)  # fmt: skip
_KINDS = dict.fromkeys(_SINGLE_NAMES, _SINGLE) | dict.fromkeys(_FORWARDED_NAMES, _FORWARDED)
# The names that clients send, in every spelling met so far. Bounded, since clients choose them.
_names: dict[str, tuple[str, int]] = {}
_MOST_KNOWN_NAMES = 1024


class Head(NamedTuple):
    """What the floor itself must know of a request; the rest went into the environ."""

    method: str
    target: str
    is_http11: bool
    keeps_alive: bool
    content_length: int | None
    is_chunked: bool
    expects_continue: bool
    host: str | None
    forwarded: dict[str, str] | None


def parse_head(block: bytes, environ: dict[str, Any], most_headers: int) -> Head:
    """Read `block`, the head without its empty line, and put its header fields into `environ`.

    Raises Refused. `environ` is only worth something when it returns. Any: it is a WSGI environ.
    """
    if len(block.translate(None, _CONTROLS)) != len(block):
        raise _bad("A control character stands in the head of the request.")
    text = block.decode("latin-1")
    lines = text.split("\r\n")
    breaks = len(lines) - 1
    if text.count("\r") != breaks or text.count("\n") != breaks:
        raise _bad("A line of the head ends in something else than CR LF.")
    if breaks > most_headers:
        raise Refused(431, "headers", "The request has too many header fields.")
    request_line = _REQUEST_LINE(lines[0])
    if request_line is None:
        raise _bad_request_line(lines[0])
    forwarded = _read_fields(lines, environ)
    method, target, minor = request_line.groups()
    return _framing(method, target, minor == "1", environ, forwarded)


def is_host(text: str) -> bool:
    """Tell whether `text` is a host with an optional port (RFC 3986 §3.2.2), without user info."""
    return _HOST(text) is not None


def _read_fields(lines: list[str], environ: dict[str, Any]) -> dict[str, str] | None:
    forwarded: dict[str, str] | None = None
    known = _names
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise _bad("A header line has no colon.")
        key, kind = known.get(name) or _learn(name)
        value = value.strip(" \t")
        if kind >= _DROPPED:
            if kind == _FORWARDED:
                forwarded = {} if forwarded is None else forwarded
                forwarded[key] = f"{forwarded[key]}, {value}" if key in forwarded else value
        elif key not in environ:
            environ[key] = value
        elif kind == _SINGLE:
            raise _bad(f"{_shown(key)} may be sent only once.")
        else:
            between = "; " if key == "HTTP_COOKIE" else ", "
            environ[key] = f"{environ[key]}{between}{value}"
    return forwarded


def _learn(name: str) -> tuple[str, int]:
    # A line that begins with a blank (obs-fold, RFC 9112 §5.2) or has one before the colon ends
    # up here as well, since no token holds a blank.
    if _IS_TOKEN(name) is None:
        raise _bad("A header name is empty or holds a character that no name may hold.")
    lower = name.lower()
    key = "HTTP_" + lower.upper().replace("-", "_")
    if lower in ("content-type", "content-length"):
        key = key[5:]
    if "_" in name or lower == "proxy":  # CGI's folding: X_Y would be X-Y; Proxy is "httpoxy"
        kind = _DROPPED
    else:
        kind = _KINDS.get(lower, _LIST)
    if len(_names) < _MOST_KNOWN_NAMES:
        _names[name] = (key, kind)
    return key, kind


def _framing(
    method: str,
    target: str,
    is_http11: bool,
    environ: dict[str, Any],
    forwarded: dict[str, str] | None,
) -> Head:
    """Decide how long the body is and whether another request may follow (RFC 9112 §§6, 9.3)."""
    length_text: str | None = environ.get("CONTENT_LENGTH")
    coding: str | None = environ.get("HTTP_TRANSFER_ENCODING")
    content_length: int | None = None
    if coding is not None:
        _check_coding(coding, is_http11, length_text)
    elif length_text is not None:
        content_length = _read_length(length_text)
    host: str | None = environ.get("HTTP_HOST")
    if host is None:
        if is_http11:
            raise _bad("An HTTP/1.1 request must carry Host.")
    elif _HOST(host) is None:
        raise _bad("Host is not a host name with an optional port.")
    expect: str | None = environ.get("HTTP_EXPECT")
    if expect is not None and expect.lower() != "100-continue":
        raise Refused(417, "expectation", "The only expectation we know is 100-continue.")
    return Head(
        method,
        target,
        is_http11,
        _keeps_alive(environ.get("HTTP_CONNECTION"), is_http11),
        content_length,
        coding is not None,
        expect is not None and is_http11,
        host,
        forwarded,
    )


def _check_coding(coding: str, is_http11: bool, length_text: str | None) -> None:
    # RFC 9112 §6.1 lets a server choose here; whoever sends both is broken or an attacker.
    if length_text is not None:
        raise _bad("Content-Length and Transfer-Encoding exclude each other.")
    if not is_http11:
        raise _bad("HTTP/1.0 knows no Transfer-Encoding.")
    if coding.lower() != "chunked":
        raise _bad("The only transfer coding we know is chunked, once.")


def _read_length(text: str) -> int:
    # str.isdigit() alone would take other scripts' digits, int() signs, blanks and underscores.
    if not (text.isascii() and text.isdigit()):
        raise _bad("Content-Length must be one plain decimal number.")
    if len(text) > _MOST_LENGTH_DIGITS:
        raise Refused(413, "body-too-large", "Content-Length is larger than any file.")
    return int(text)


def _keeps_alive(connection: str | None, is_http11: bool) -> bool:
    if connection is None:
        return is_http11
    options = [option.strip(" \t") for option in connection.lower().split(",")]
    if "close" in options:
        return False
    return is_http11 or "keep-alive" in options


def _bad_request_line(line: str) -> Refused:
    if _OTHER_VERSION(line) is not None and "#" not in line:
        return Refused(505, "version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    return _bad("The request line is malformed.")


def _bad(sentence: str) -> Refused:
    return Refused(400, "malformed", sentence)


def _shown(key: str) -> str:
    return key.removeprefix("HTTP_").replace("_", "-").title()
