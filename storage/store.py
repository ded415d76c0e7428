"""The one handle that both doors hold: database, blobs and keys, opened from one configuration."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import literal, select

from storage import key_file, key_register, keys, migrations
from storage.clock import Clock, system_clock
from storage.config import Config
from storage.db import Database
from storage.drive.blobs import BlobStore
from storage.drive.blobs.opening import open_blobs
from storage.errors import Misconfigured, Unavailable
from storage.keys import Keyring
from storage.randomness import RandomBytes, system_random

FileIdentity = tuple[int, int]
"""Device and inode: what a file is, whatever its name."""


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that is kept, ready for use."""

    database: Database
    blobs: BlobStore
    keyring: Keyring
    sqlite_file: tuple[Path, FileIdentity] | None = None

    def check_database(self) -> None:
        """Ask the database for an answer. Raises Unavailable.

        An open SQLite file goes on answering after it was deleted or replaced, and forgets all it
        was told when the server stops. So the name must still lead to the file that was opened.
        """
        self.database.read(lambda tx: tx.connection.scalar(select(literal(1))))
        if self.sqlite_file is None:
            return
        path, identity = self.sqlite_file
        if _identity_of(path) != identity:
            raise Unavailable(
                "The database's file was moved or replaced; put it back and start again."
            )

    def close(self) -> None:
        """Give back connections and threads."""
        self.database.close()
        self.blobs.close()


def open_store(
    config: Config, *, clock: Clock = system_clock, random: RandomBytes = system_random
) -> Store:
    """Open what the configuration names. Call it after a fork, never before one.

    Raises Misconfigured when a part can't be opened, or the database was not upgraded.
    """
    keyring = key_file.load_keyring(config.secrets_in_use)
    database = Database(config.database, clock=clock, random=random)
    try:
        migrations.require_current(database)
        key_register.register(database, keyring)
        blobs = open_blobs(
            config.blobs, sync=config.database.durability == "full", clock=clock, random=random
        )
    except BaseException:
        database.close()
        raise
    path = config.database.sqlite_path
    identity = None if path is None else _identity_of(path)
    sqlite_file = None if path is None or identity is None else (path, identity)
    return Store(database=database, blobs=blobs, keyring=keyring, sqlite_file=sqlite_file)


def prepare_embedded(
    config: Config, *, clock: Clock = system_clock, random: RandomBytes = system_random
) -> None:
    """Make what an embedded set-up needs before its first start, and upgrade its database.

    Does nothing for a database on a server: that one is upgraded when its operator says so.
    """
    if config.database.is_sqlite:
        database = Database(config.database, clock=clock, random=random)
        try:
            migrations.upgrade(database)
            _make_first_key(config, database, clock, random)
        finally:
            database.close()


def require_database(config: Config) -> None:
    """Refuse to go on where no database has been made, so that looking makes none.

    Raises Misconfigured. Whether a database on a server exists, only the server can tell.
    """
    path = config.database.sqlite_path
    if path is not None and not path.exists():
        raise Misconfigured(
            f"There is no database at {path}; start the server first, or name the configuration "
            "with --config."
        )


def _make_first_key(config: Config, database: Database, clock: Clock, random: RandomBytes) -> None:
    path = config.secrets_in_use.key_file
    if not config.is_embedded or path is None or path.exists():
        return
    with _alone_in(path.parent):
        if path.exists():
            return
        if needed := database.read(key_register.list_needed):
            raise Misconfigured(
                f"The key file {path} is gone, and with it {needed[0]}, by which secrets in the "
                "database were sealed: put the file back from your copy."
            )
        key_file.create_key_file(path, keys.new_key(random, clock()), random=random)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold off other processes that prepare the same folder, so that two starts make one key."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Misconfigured(f"The folder {folder} can't be made: {error.strerror}.") from None
    try:
        with contextlib.suppress(OSError):  # a file system without locks: one start at a time
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _identity_of(path: Path) -> FileIdentity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
