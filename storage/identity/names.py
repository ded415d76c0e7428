"""What people may call their things: the names of accounts, the labels of devices, reasons."""

from __future__ import annotations

import unicodedata

from storage.errors import Invalid

LONGEST_CHARACTERS = 64
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, half characters, line ends
# They turn the direction of what follows, so that a name reads as another one.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(text: str, *, what: str, field: str) -> str:
    """Return a name as it is stored and shown: composed (NFC), without blanks around it.

    Joiners stay, as emoji and many scripts are written with them. Raises Invalid.
    """
    name = unicodedata.normalize("NFC", text).strip()
    categories = {unicodedata.category(sign) for sign in name}
    is_seen = any(category[0] in "LNPS" for category in categories)
    is_plain = not categories & _HIDDEN_CATEGORIES and not set(name) & _TURNING
    if not (is_seen and is_plain and len(name) <= LONGEST_CHARACTERS):
        raise Invalid(
            f"{what} has 1 to {LONGEST_CHARACTERS} characters that can be seen; no line ends, "
            "no control characters.",
            field=field,
        )
    return name
