"""Where keys come from: a file that only its owner can read, or the environment.

A key file holds one key a line: its name, then its bytes. It is only ever replaced whole, as a
key that is half written is as good as lost.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from storage.errors import Misconfigured
from storage.folders import flush_folder
from storage.keys import KEY_BYTES, Key, Keyring, decode, encode
from storage.randomness import RandomBytes, system_random
from storage.sections import SecretsConfig

_HEAD = (
    "# Keys of davserver, one a line: name, then the key. The first seals; all open.\n"
    "# Whoever has this file and the database can read the secrets stored there:\n"
    "# keep a copy, and keep it apart from copies of the database.\n"
)
_KEY_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_TO_URL_SAFE = str.maketrans("+/", "-_")
_WITHOUT_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


def create_key_file(path: Path, key: Key, *, random: RandomBytes = system_random) -> None:
    """Write a key file that only its owner can read.

    Raises Misconfigured when there is a file already: writing over a key loses what it sealed.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create_whole(path, f"{_HEAD}{_line(key)}", random)
    except FileExistsError:
        if not path.parent.is_dir():
            raise Misconfigured(f"{path.parent} is not a folder, so no key fits there.") from None
        raise Misconfigured(f"There is a key file {path} already; it was left as it is.") from None
    except OSError as error:
        raise Misconfigured(f"The key file {path} can't be written: {error.strerror}.") from None


def add_key(path: Path, key: Key, *, random: RandomBytes = system_random) -> None:
    """Put a key at the top of a key file: it seals from the next start on, the others open.

    Raises Misconfigured when the file can't be read or written, or is no key file.
    """
    load_keyring(SecretsConfig(key_file=path))
    path = path.resolve()  # a link to the file stays a link
    try:
        text = path.read_text(encoding="ascii")
        unfinished = _write_beside(path, _with_key_on_top(text, key), random)
        unfinished.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise Misconfigured(f"The key file {path} can't be written: {error.strerror}.") from None


def _with_key_on_top(text: str, key: Key) -> str:
    lines = text.splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.partition("#")[0].split())
    rest = "".join(lines[first:])
    return "".join(lines[:first]) + _line(key) + rest.rstrip("\n") + "\n"


def _line(key: Key) -> str:
    return f"{key.key_id} {encode(key.secret)}\n"


def _create_whole(path: Path, text: str, random: RandomBytes) -> None:
    # Under another name first: a crash must not leave an empty key file, which no start would
    # write over. A link, unlike a rename, never replaces what is there.
    unfinished = _write_beside(path, text, random)
    try:
        path.hardlink_to(unfinished)
    except OSError as error:
        if error.errno not in _WITHOUT_HARD_LINKS:
            raise
        _write_new(path, text)
    finally:
        unfinished.unlink()
    flush_folder(path.parent)


def _write_beside(path: Path, text: str, random: RandomBytes) -> Path:
    unfinished = path.with_name(f".{path.name}.{random(8).hex()}.unfinished")
    _write_new(unfinished, text)
    return unfinished


def _write_new(path: Path, text: str) -> None:
    """Write a file that was not there, for its owner's eyes only; leave none half written."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask is
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def load_keyring(config: SecretsConfig) -> Keyring:
    """Read the keys from where the configuration says.

    Raises Misconfigured when there are none, or the file can be read by others.
    """
    if config.keys is not None:
        return _parse_keys(config.keys.get_secret_value().replace(",", "\n"), "[secrets] keys")
    path = config.key_file
    assert path is not None  # see Config.secrets_in_use
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
                f"{where}, line {number}: a line is a name and {KEY_BYTES} bytes in base64."
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
        secret = decode(words[1].rstrip("=").translate(_TO_URL_SAFE))
    except ValueError:
        return None
    return Key(key_id=words[0], secret=secret) if len(secret) == KEY_BYTES else None
