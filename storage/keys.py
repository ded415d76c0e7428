"""Keys that seal what must be read back: TOTP secrets, webhook secrets, stored credentials.

The only importer of `cryptography` for sealing. A sealed text reads
`A256GCM.key_id.nonce.ciphertext` and is bound to its table, column and row, so that moving it to
another place in the database makes it unreadable. Keys come from a file or the environment, never
from the database: several at once, the first seals, the others only open.
"""

from __future__ import annotations

import os
import re
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import Misconfigured, Unreadable
from storage.randomness import RandomBytes
from storage.sections import SecretsConfig

ALGORITHM = "A256GCM"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_TO_URL_SAFE = str.maketrans("+/", "-_")


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
    return ".".join((ALGORITHM, key.key_id, _encode(nonce), _encode(ciphertext)))


def unseal(keyring: Keyring, sealed: str, *, place: Place) -> bytes:
    """Return what was sealed for `place`.

    Raises Unreadable, without telling why in detail, when it can't be opened there.
    """
    key_id, encoded_nonce, encoded_ciphertext = _split(sealed)
    key = keyring.find(key_id)
    if key is None:
        raise Unreadable(f"A stored secret was sealed by the key {key_id!r}, which is not at hand.")
    try:
        nonce, ciphertext = _decode(encoded_nonce), _decode(encoded_ciphertext)
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
    return Key(key_id=f"k{now:%Y%m%d}-{random(3).hex()}", secret=random(_KEY_BYTES))


def create_key_file(path: Path, key: Key) -> None:
    """Write a key file that only its owner can read.

    Raises Misconfigured when there is a file already: writing over a key loses what it sealed.
    """
    text = (
        "# Keys of davserver, one a line: name, then the key. The first seals; all open.\n"
        "# Whoever has this file and the database can read the secrets stored there:\n"
        "# keep a copy, and keep it apart from copies of the database.\n"
        f"{key.key_id} {_encode(key.secret)}\n"
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_whole(path, text)
    except FileExistsError:
        if not path.parent.is_dir():
            raise Misconfigured(f"{path.parent} is not a folder, so no key fits there.") from None
        raise Misconfigured(f"There is a key file {path} already; it was left as it is.") from None
    except OSError as error:
        raise Misconfigured(f"The key file {path} can't be written: {error.strerror}.") from None


def _write_whole(path: Path, text: str) -> None:
    # Under another name first: a crash must not leave an empty key file, which no start would
    # write over. A link, unlike a rename, never replaces what is there.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    _sync_folder(path.parent)


def load_keyring(config: SecretsConfig) -> Keyring:
    """Read the keys from where the configuration says.

    Raises Misconfigured when there are none, or the file can be read by others.
    """
    if config.keys is not None:
        return _parse_keys(config.keys.get_secret_value().replace(",", "\n"), "[secrets] keys")
    path = config.effective_key_file
    assert path is not None  # `keys` is unset, so there is always a path
    try:
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Misconfigured(
                    f"The key file {path} can be read by others. Run: chmod 600 {path}"
                )
            return _parse_keys(file.read(), f"The key file {path}")
    except FileNotFoundError:
        raise Misconfigured(
            f"There is no key file {path}. Make one with: davserver keys new {path}"
        ) from None
    except OSError as error:
        raise Misconfigured(f"The key file {path} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"The key file {path} is not text.") from None


def _parse_keys(text: str, where: str) -> Keyring:
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(":", " ").split()
        if not words:
            continue
        key = _parse_key(words)
        if key is None:
            raise Misconfigured(
                f"{where}, line {number}: a line is a name and {_KEY_BYTES} bytes in base64."
            )
        if any(known.key_id == key.key_id for known in keys):
            raise Misconfigured(f"{where}, line {number}: the name {key.key_id} is there twice.")
        keys.append(key)
    if not keys:
        raise Misconfigured(f"{where} holds no key.")
    return Keyring(active=keys[0], others=tuple(keys[1:]))


def _parse_key(words: list[str]) -> Key | None:
    if len(words) != 2 or not _KEY_ID.fullmatch(words[0]):
        return None
    try:
        # Both alphabets are taken, with or without padding: `openssl rand -base64` makes the other.
        secret = _decode(words[1].rstrip("=").translate(_TO_URL_SAFE))
    except ValueError:
        return None
    return Key(key_id=words[0], secret=secret) if len(secret) == _KEY_BYTES else None


def _split(sealed: str) -> tuple[str, str, str]:
    parts = sealed.split(".")
    if len(parts) != 4 or parts[0] != ALGORITHM:
        raise Unreadable("A stored secret is not in a form that this version knows.")
    return parts[1], parts[2], parts[3]


def _sync_folder(folder: Path) -> None:
    # Without this a power cut may leave the database with what a lost key has sealed.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        value = urlsafe_b64decode((text + "=" * (-len(text) % 4)).encode("ascii"))
    except (Base64Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    # The decoder skips what it does not know and drops spare bits; one value, one spelling.
    if _encode(value) != text:
        raise ValueError("not base64")
    return value
