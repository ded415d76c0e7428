"""Keys that seal what must be read back: TOTP secrets, webhook secrets, stored credentials.

The only importer of `cryptography` for sealing. A sealed text reads
`A256GCM.key_id.nonce.ciphertext` and is bound to its table, column and row, so that moving it to
another place in the database makes it unreadable. Keys come from a file or the environment, never
from the database: several at once, the first seals, the others only open. `key_file.py` reads them.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import Unreadable
from storage.randomness import RandomBytes

ALGORITHM = "A256GCM"
KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Key:
    """One key: a public name, and bytes that are never printed."""

    key_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys at hand: `active` seals, every one of them opens."""

    active: Key
    others: tuple[Key, ...] = ()

    def find(self, key_id: str) -> Key | None:
        """Return the key of that name, or None."""
        return next((key for key in (self.active, *self.others) if key.key_id == key_id), None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed text is kept. It opens nowhere else."""

    table: str
    column: str
    row: str

    def as_bytes(self) -> bytes:
        """Return an encoding that no two places share."""
        parts = (self.table, self.column, self.row)
        return b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)


def seal(keyring: Keyring, plaintext: bytes, *, place: Place, random: RandomBytes) -> str:
    """Return `plaintext` sealed by the active key for `place`."""
    key = keyring.active
    nonce = random(_NONCE_BYTES)
    ciphertext = AESGCM(key.secret).encrypt(nonce, plaintext, place.as_bytes())
    return ".".join((ALGORITHM, key.key_id, encode(nonce), encode(ciphertext)))


def unseal(keyring: Keyring, sealed: str, *, place: Place) -> bytes:
    """Return what was sealed for `place`.

    Raises Unreadable, without telling why in detail, when it can't be opened there.
    """
    key_id, encoded_nonce, encoded_ciphertext = _split(sealed)
    key = keyring.find(key_id)
    if key is None:
        raise Unreadable(f"A stored secret was sealed by the key {key_id!r}, which is not at hand.")
    try:
        nonce, ciphertext = decode(encoded_nonce), decode(encoded_ciphertext)
        return AESGCM(key.secret).decrypt(nonce, ciphertext, place.as_bytes())
    except (InvalidTag, ValueError):
        raise Unreadable("A stored secret was changed, or moved from its place.") from None


def sealing_key_id(sealed: str) -> str:
    """Return the name of the key that sealed this text, without opening it.

    Raises Unreadable when the text was not sealed by us.
    """
    return _split(sealed)[0]


def new_key(random: RandomBytes, now: datetime) -> Key:
    """Return a new key, named after the day it was made."""
    return Key(key_id=f"k{now:%Y%m%d}-{random(3).hex()}", secret=random(KEY_BYTES))


def _split(sealed: str) -> tuple[str, str, str]:
    parts = sealed.split(".")
    if len(parts) != 4 or parts[0] != ALGORITHM:
        raise Unreadable("A stored secret is not in a form that this version knows.")
    return parts[1], parts[2], parts[3]


def encode(value: bytes) -> str:
    """Return bytes as base64 of the alphabet that is safe everywhere, without padding."""
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return what `encode` was given. Raises ValueError."""
    try:
        value = urlsafe_b64decode((text + "=" * (-len(text) % 4)).encode("ascii"))
    except (Base64Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    # The decoder skips what it does not know and drops spare bits; one value, one spelling.
    if encode(value) != text:
        raise ValueError("not base64")
    return value
