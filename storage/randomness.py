"""The only source of random bytes, ids and secrets.

Functions take the source of chance as their first argument, so that a test can hand in a seeded
one and pin every secret and key that a piece of code makes.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]
"""Gives n random bytes."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # without l, i, o, 0, 1: read aloud, typed by hand
_CHECKSUM_LENGTH = 6


def system_random(count: int) -> bytes:
    """Return `count` bytes from the operating system."""
    return secrets.token_bytes(count)


def random_base62(random: RandomBytes, length: int) -> str:
    """Return `length` base62 characters, each equally likely."""
    return _random_text(random, length, _BASE62)


def new_blob_key(random: RandomBytes) -> str:
    """Return a new storage key: 32 lower-case hex characters that tell nothing of the file."""
    return random(16).hex()


def new_request_id(random: RandomBytes) -> str:
    """Return a short id that ties log lines, audit rows and error pages together."""
    return random(8).hex()


def new_secret(random: RandomBytes, prefix: str) -> str:
    """Return a new secret: `prefix`, 32 random base62 characters, 6 of checksum.

    The prefix lets people and leak scanners recognise it; the checksum lets a typo be refused
    without asking the database.
    """
    body = random_base62(random, 32)
    return f"{prefix}{body}{_checksum(prefix + body)}"


def is_well_formed_secret(secret: str, prefix: str) -> bool:
    """Tell whether `secret` has the prefix, the length and a checksum that fits."""
    if not secret.isascii() or len(secret) != len(prefix) + 32 + _CHECKSUM_LENGTH:
        return False
    body, checksum = secret[:-_CHECKSUM_LENGTH], secret[-_CHECKSUM_LENGTH:]
    is_ours = body.startswith(prefix) and body.removeprefix(prefix).isalnum()
    return is_ours and checksum == _checksum(body)


def new_password(random: RandomBytes) -> str:
    """Return a generated password for a person: five groups of five, about 123 bits."""
    text = _random_text(random, 25, _READABLE)
    return "-".join(text[start : start + 5] for start in range(0, 25, 5))


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode("ascii"))
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits


def _random_text(random: RandomBytes, length: int, alphabet: str) -> str:
    # Bytes past the largest multiple of the alphabet are thrown away: a plain modulo would make
    # the first letters likelier than the last.
    limit = 256 - 256 % len(alphabet)
    text = ""
    while len(text) < length:
        text += "".join(alphabet[byte % len(alphabet)] for byte in random(length) if byte < limit)
    return text[:length]
