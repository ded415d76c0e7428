"""Small request headers, each turned once into a decided value.

Every function takes the header's text (None: missing). Raises Invalid, which the door answers
with 400, only where guessing could cost somebody a file; preferences are never a reason to refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from storage.errors import Invalid

_DIGITS = re.compile(r"[0-9]{1,19}")
_SECONDS = re.compile(r"second-(?P<seconds>[0-9]{1,20})", re.IGNORECASE)
_TOKEN = re.compile(r"[^\s<>\x00-\x1f\x7f]{1,255}")
_LARGEST = 2**63 - 1


class Depth(StrEnum):
    """How far a request reaches (RFC 4918 §10.2)."""

    ZERO = "0"
    ONE = "1"
    INFINITY = "infinity"


def parse_depth(value: str | None) -> Depth | None:
    """Read `Depth`; None when it is missing, since each method has a default of its own."""
    if value is None:
        return None
    try:
        return Depth(value.strip().lower())
    except ValueError:
        raise Invalid("Depth must be 0, 1 or infinity.", field="Depth") from None


def parse_overwrite(value: str | None) -> bool:
    """Read `Overwrite`; missing means T (RFC 4918 §10.6), which Finder's renames rely on."""
    if value is None:
        return True
    letter = value.strip().upper()
    if letter not in ("T", "F"):
        raise Invalid("Overwrite must be T or F.", field="Overwrite")
    return letter == "T"


def parse_timeout(value: str | None, *, default_seconds: int, longest_seconds: int) -> int:
    """Read `Timeout` and return what is granted, at most `longest_seconds`.

    The first wish in the list that can be read counts (RFC 4918 §10.7). Nonsense is no reason to
    refuse a lock, since the server may grant what it likes.
    """
    for wish in (value or "").split(","):
        text = wish.strip().lower()
        if text == "infinite":
            return longest_seconds
        if found := _SECONDS.fullmatch(text):
            return max(1, min(int(found["seconds"]), longest_seconds))
    return min(default_seconds, longest_seconds)


def parse_lock_token(value: str | None) -> str | None:
    """Read `Lock-Token`, with its angle brackets or, as npm webdav sends it, without."""
    if value is None:
        return None
    token = value.strip()
    if token.startswith("<") and token.endswith(">"):
        token = token[1:-1].strip()
    if _TOKEN.fullmatch(token) is None:
        raise Invalid("Lock-Token must hold one lock token: <urn:uuid:…>.", field="Lock-Token")
    return token


@dataclass(frozen=True, slots=True)
class Preferences:
    """What `Prefer` asks for, as far as we heed it (RFC 7240, RFC 8144)."""

    is_minimal: bool = False
    is_without_root: bool = False

    def applied(self, *names: str) -> str:
        """Return the value of `Preference-Applied` for those of `names` that were asked for."""
        asked = {"return=minimal": self.is_minimal, "depth-noroot": self.is_without_root}
        return ", ".join(name for name in names if asked[name])


def parse_prefer(value: str | None) -> Preferences:
    """Read `Prefer`. What we don't know is not our business (RFC 7240 §2)."""
    wishes: dict[str, str] = {}
    for wish in (value or "").split(","):
        name, _, setting = wish.partition(";")[0].partition("=")
        # RFC 7240 §2: of two with one name, the first counts.
        wishes.setdefault(name.strip().lower(), setting.strip().strip('"').lower())
    return Preferences(
        is_minimal=wishes.get("return") == "minimal",
        is_without_root="depth-noroot" in wishes,
    )


def parse_length(value: str | None, *, header: str) -> int | None:
    """Read a length such as `X-Expected-Entity-Length`; None when it is missing.

    A length that can't be read is refused: it is what tells a whole upload from a torn one.
    """
    if value is None:
        return None
    text = value.strip()
    if _DIGITS.fullmatch(text) is None or int(text) > _LARGEST:
        raise Invalid(f"{header} must be a number of bytes.", field=header)
    return int(text)
