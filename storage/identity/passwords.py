"""Hashing and checking the passwords that people choose. The only importer of `bcrypt`.

Slow on purpose, because people's passwords can be guessed; the random secrets of devices and
tokens can't, and are kept as SHA-256 instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import bcrypt

from storage.errors import Invalid
from storage.randomness import RandomBytes

SHORTEST_CHARACTERS = 12
LONGEST_BYTES = 72


@dataclass(frozen=True, slots=True)
class CostProfile:
    """How slow a hash is: 2 to the power of `rounds`."""

    rounds: int


PRODUCTION = CostProfile(rounds=12)
FOR_TESTS = CostProfile(rounds=4)


def hash_password(password: str, *, random: RandomBytes, profile: CostProfile = PRODUCTION) -> str:
    """Return the bcrypt hash of an acceptable password.

    Raises Invalid when it is too short, or longer than what bcrypt looks at (cutting it would let
    a shorter one in), or holds what other programs would take for its end.
    """
    if len(password) < SHORTEST_CHARACTERS:
        raise Invalid(
            f"A password needs at least {SHORTEST_CHARACTERS} characters.", field="password"
        )
    encoded = _encoded(password)
    if encoded is None:
        raise Invalid("A password must be text in UTF-8, without a NUL in it.", field="password")
    if len(encoded) > LONGEST_BYTES:
        raise Invalid(
            f"A password may have at most {LONGEST_BYTES} bytes; this one has {len(encoded)}.",
            field="password",
        )
    salt = _salt(random(16), profile.rounds)
    return bcrypt.hashpw(encoded, salt).decode("ascii")


def is_right_password(password: str, password_hash: str) -> bool:
    """Tell whether `password` is the one that was hashed; takes as long either way."""
    encoded = _encoded(password)
    if encoded is None or len(encoded) > LONGEST_BYTES:
        encoded = b""  # can't have been set, but the answer must not come any sooner
    return bcrypt.checkpw(encoded, password_hash.encode("ascii"))


def _encoded(password: str) -> bytes | None:
    if "\0" in password:
        return None  # C programs read a password up to there
    try:
        return password.encode()
    except UnicodeEncodeError:  # half characters, as bytes that are not UTF-8 become on their way
        return None


def _salt(seed: bytes, rounds: int) -> bytes:
    # bcrypt.gensalt draws from the system itself; chance has one door in this house, so the
    # salt is encoded here, in bcrypt's own base64 alphabet.
    alphabet = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    number = int.from_bytes(seed, "big") << 4  # 128 bits, filled up to 22 letters of 6
    letters = bytes(alphabet[number >> shift & 63] for shift in range(126, -1, -6))
    return b"$2b$%02d$%s" % (rounds, letters)
