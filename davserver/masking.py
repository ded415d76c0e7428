"""Takes out of words and values what looks like a secret, so that they can be written down.

The last guard, not the first: no module hands a secret to a log call. But other people's
exceptions, addresses and headers carry some, and those pass through here. Every pattern is
bounded, so that no hostile text can make the search slow.
"""

from __future__ import annotations

import math
import re
from typing import Any

STARS = "********"
_HARMLESS = "\u00a0\u200c\u200d"  # the blank that does not break, and what joins letters and emoji
_LONGEST_TEXT = 16 * 1024
_LONGEST_SEARCHED = 64 * 1024
_DEEPEST = 6

# What a value is called that nobody else may see. Tokens of locks and of sync are no secrets.
_NAME = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret\w{0,40}|authorization|cookie|credentials?|signature"
    r"|(?<!lock)(?<!lock[-_ ])(?<!sync[-_ ])token|(?:api|access|private)[-_]?key)"
)
_NO_AUDIT_ACTION = r"(?!(?<=:)\w{1,60}:\w)"  # such as device:secret:issued
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_VALUE = rf"{_QUOTED}|[\"'][^\r\n]*|[^\s\"'&,;]+"
_SECRET_NAME = re.compile(rf"{_NAME}s?\Z", re.IGNORECASE)
_SECRETS = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        (
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.{0,8192}?(?:-----END [A-Z ]{0,20}-----|\Z)",
            re.DOTALL,
            STARS,
        ),
        # A header's value has several words, and all of them are its own.
        (
            rf"((?:authorization|cookie)[\"']?\s{{0,8}}[=:]\s{{0,8}})(?:{_QUOTED}|[^\r\n]+)",
            re.IGNORECASE,
            rf"\1{STARS}",
        ),
        (
            rf"({_NO_AUDIT_ACTION}{_NAME}[\"']?\s{{0,8}}[=:]\s{{0,8}})(?:{_VALUE})",
            re.IGNORECASE,
            rf"\1{STARS}",
        ),
        (r"\b(basic|bearer)(\s{1,8})[0-9A-Za-z+/=._~-]{6,}", re.IGNORECASE, rf"\1\2{STARS}"),
        # The password in an address ends at its last @.
        (r"(://[^/\s:@]*:)\S{1,512}@", 0, rf"\1{STARS}@"),
        # Our own kinds: devices (dsync_), API tokens (tm_live_ and the like), sessions (JWT),
        # the passwords that we make up, the keys of the key file, and hashes of passwords.
        (r"(dsync_)\w+", re.IGNORECASE, rf"\1{STARS}"),
        (r"(?<=[a-z]_)[0-9A-Za-z]{20,}", 0, STARS),
        (r"eyJ[\w-]{5,2048}\.[\w-]{1,4096}(?:\.[\w-]{0,1024})?", 0, STARS),
        (r"\b[a-z2-9]{5}(?:-[a-z2-9]{5}){4}\b", 0, STARS),
        (r"(\bk\d{8}-[0-9a-f]{6}[\s:]{1,8})[\w-]{43}", 0, rf"\1{STARS}"),
        (r"\$2[abxy]\$\d\d\$[./0-9A-Za-z]{53}", 0, STARS),
    )
)


def mask_text(text: str) -> str:
    """Return `text` with stars for secrets, cut where it is longer than anybody would read."""
    if len(text) > _LONGEST_SEARCHED:
        # In front of a word's end, as half a secret would not be known for one.
        text = text[:_LONGEST_SEARCHED].rsplit(maxsplit=1)[0] + " …"
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} … (cut)"


def mask(value: Any, *, depth: int = 0) -> Any:  # Any: a log call may carry whatever it likes
    """Return `value` as plain words, numbers, lists and dicts, with stars for secrets."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return mask_text(str(value))
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return mask_fields(value, depth=depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [mask(part, depth=depth + 1) for part in value]
    shows_kind = isinstance(value, BaseException | bytes | bytearray)
    return mask_text(_words_of(value, shows_kind=shows_kind))


def mask_fields(fields: dict[Any, Any], *, depth: int = 0) -> dict[str, Any]:  # Any: as above
    """Return `fields` masked; what is called a secret is one, whatever it looks like."""
    return {
        mask_text(str(name)): STARS
        if _SECRET_NAME.search(str(name)) and value is not None and not isinstance(value, bool)
        else mask(value, depth=depth)
        for name, value in fields.items()
    }


def escape(text: str) -> str:
    """Return `text` in one line without a sign that a terminal would obey or hide."""
    return "".join(
        sign
        if sign.isprintable() or sign in _HARMLESS
        else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def _words_of(value: object, *, shows_kind: bool) -> str:
    try:
        return repr(value) if shows_kind else str(value)
    except Exception:  # noqa: BLE001 - whatever a stranger's own __str__ may raise
        return f"<a {type(value).__name__} that can't be shown>"
