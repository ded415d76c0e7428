"""Looks at every part that the server stands on, and says of each what is wrong and what to do.

Each check is a function that returns what it found or raises; one that fails stops no other.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from davserver.masking import mask_text
from davserver.output import count
from storage import certificates, clock, key_file, key_register, migrations
from storage.config import Config
from storage.db import Database, DatabaseFacts, describe
from storage.drive.blobs.opening import open_blobs
from storage.errors import StoreError
from storage.randomness import system_random
from storage.sections import BlobsConfig, ServerConfig

logger = logging.getLogger(__name__)

_MOST_CLOCK_DRIFT = timedelta(seconds=5)
_LEAST_FREE_BYTES = 1 << 30
_RENEW_BEFORE_DAYS = 14


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in words that a person can act on."""

    part: str
    state: State
    words: str


def examine(config: Config) -> list[Finding]:
    """Look at everything, in the order in which a start would need it."""
    findings = [Finding("configuration", State.OK, "read and free of contradictions")]
    findings.append(_checked("keys", lambda: _look_at_keys(config)))
    findings += _look_at_database(config)
    findings.append(_checked("blobs", lambda: _look_at_blobs(config)))
    findings.append(_checked("certificate", lambda: _look_at_certificate(config)))
    return findings


def _checked(part: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except StoreError as error:
        return Finding(part, State.BAD, error.message)
    except Exception:
        logger.exception("%s could not be looked at", part)
        words = "could not be looked at; the lines on standard error say why: please report them"
        return Finding(part, State.BAD, words)


def _look_at_keys(config: Config) -> Finding:
    path = config.secrets_in_use.key_file
    is_new = not (config.database.sqlite_path or Path()).exists()
    if config.is_embedded and path is not None and not path.exists() and is_new:
        return Finding("keys", State.WARNING, f"{path} is not there yet; the first start makes it")
    keyring = key_file.load_keyring(config.secrets_in_use)
    words = f"{count(1 + len(keyring.others), 'key')}; {keyring.active.key_id} seals"
    return Finding("keys", State.OK, words)


def _look_at_database(config: Config) -> list[Finding]:
    path = config.database.sqlite_path
    if path is not None and not path.exists():
        words = f"{path} is not there yet; the first start makes it"
        return [Finding("database", State.WARNING, words)]
    try:
        database = Database(config.database)
    except StoreError as error:
        return [Finding("database", State.BAD, error.message)]
    try:
        facts = database.read(describe)
    except StoreError as error:
        return [Finding("database", State.BAD, _database_trouble(config, error))]
    else:
        return [
            _judge_database(facts),
            _checked("schema", lambda: _look_at_schema(database)),
            *_look_at_needed_keys(config, database),
            _look_at_clock(facts),
        ]
    finally:
        database.close()


def _judge_database(facts: DatabaseFacts) -> Finding:
    words = f"{facts.product} {facts.version} answers"
    if not facts.unsafe_settings:
        return Finding("database", State.OK, words)
    off = " and ".join(facts.unsafe_settings)
    words = f"{words}, but {off} off: a power cut may damage it; switch on in postgresql.conf"
    return Finding("database", State.WARNING, words)


def _database_trouble(config: Config, error: StoreError) -> str:
    if config.database.sqlite_path is not None:
        return f"{config.database.sqlite_path}: {error.message} Look at it, or restore a backup."
    # The driver's own words tell a wrong password from a server that is away.
    driver_words = str(getattr(error.__cause__, "orig", None) or "").strip()
    reason = mask_text(driver_words.splitlines()[0]) if driver_words else error.message
    return f"can't be reached; look at [database] url, and whether it is running ({reason})"


def _look_at_schema(database: Database) -> Finding:
    status = migrations.read_status(database)
    if status.is_current:
        return Finding("schema", State.OK, f"{status.newest}, the newest")
    behind = count(len(status.pending), "step")
    words = f"{behind} behind; make a backup, then run: davserver db upgrade"
    return Finding("schema", State.BAD, words)


def _look_at_needed_keys(config: Config, database: Database) -> list[Finding]:
    """Say which keys are missing that something was sealed by; nothing when all are there."""
    needed = database.read(key_register.list_needed)
    at_hand = _keys_at_hand(config)
    missing = [key_id for key_id in needed if key_id not in at_hand]
    words = f"{', '.join(missing)} missing: put back from your copy of the key file"
    return [Finding("sealing keys", State.BAD, words)] if missing else []


def _keys_at_hand(config: Config) -> set[str]:
    try:
        keyring = key_file.load_keyring(config.secrets_in_use)
    except StoreError:
        return set()  # the check of the keys says why
    return {key.key_id for key in (keyring.active, *keyring.others)}


def _look_at_clock(facts: DatabaseFacts) -> Finding:
    now = clock.system_clock()
    drift = abs(now - facts.clock)
    if drift > _MOST_CLOCK_DRIFT:
        words = (
            f"this machine and the database differ by {drift.total_seconds():.0f} s; "
            "set both by NTP, or expiries and locks end at the wrong time"
        )
        return Finding("clock", State.BAD, words)
    return Finding("clock", State.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _look_at_blobs(config: Config) -> Finding:
    place = _place_of(config.blobs)
    if config.is_embedded and config.blobs.kind == "disk" and not config.blobs.path.exists():
        return Finding(
            "blobs", State.WARNING, f"{place} is not there yet; the first start makes it"
        )
    try:
        blobs = open_blobs(config.blobs, sync=True, clock=clock.system_clock, random=system_random)
        try:
            blobs.check()
        finally:
            blobs.close()
    except StoreError as error:
        return Finding("blobs", State.BAD, f"{place}: {error.message}")
    if config.blobs.kind == "memory":
        words = "kept in memory: every file is gone when the server stops"
        return Finding("blobs", State.WARNING, words)
    words = f"{place}: put, get, delete work"
    if config.blobs.kind == "s3":
        return Finding("blobs", State.OK, words)
    free = shutil.disk_usage(config.blobs.path).free
    words = f"{words}; {free / 1e9:.1f} GB free"
    if free < _LEAST_FREE_BYTES:
        return Finding("blobs", State.WARNING, f"{words}: make room soon")
    return Finding("blobs", State.OK, words)


def _place_of(config: BlobsConfig) -> str:
    if config.kind == "s3":
        return f"bucket {config.bucket} at {config.endpoint_url or 'AWS'}"
    return str(config.path)


def _look_at_certificate(config: Config) -> Finding:
    server = config.server
    if server.tls_certificate is None or server.tls_key is None:
        is_safe = server.is_loopback or (server.public_url or "").startswith("https:")
        if is_safe:
            return Finding("certificate", State.OK, "none needed on loopback or behind a proxy")
        words = (
            f"none, and {server.host} can be reached from outside: set [server] tls_certificate "
            "and tls_key, or put a proxy in front and its https address into public_url"
        )
        return Finding("certificate", State.BAD, words)
    found = certificates.read_certificate(server.tls_certificate, server.tls_key)
    now = clock.system_clock()
    if found.valid_until <= now:
        words = f"ran out on {found.valid_until:%Y-%m-%d}; renew {server.tls_certificate}"
        return Finding("certificate", State.BAD, words)
    if found.valid_from > now:
        words = f"holds only from {found.valid_from:%Y-%m-%d %H:%M} UTC on; is the clock right?"
        return Finding("certificate", State.BAD, words)
    if (host := _public_host(server)) and not found.covers(host):
        words = f"is not for {host} but for {', '.join(found.hosts) or 'no host'}; get one that is"
        return Finding("certificate", State.BAD, words)
    days = (found.valid_until - now).days
    words = f"holds until {found.valid_until:%Y-%m-%d}, {count(days, 'day')}"
    if days < _RENEW_BEFORE_DAYS:
        return Finding("certificate", State.WARNING, f"{words}: renew it soon")
    return Finding("certificate", State.OK, words)


def _public_host(server: ServerConfig) -> str | None:
    return urlsplit(server.public_url).hostname if server.public_url else None
