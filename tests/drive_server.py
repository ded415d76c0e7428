"""A server process with a device on it, over either pair of homes, for clients on a socket."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage import migrations
from storage.audit import COMMAND_LINE
from storage.db import Database
from storage.identity import accounts, devices
from storage.identity.devices import Surface
from storage.scopes import Scope
from storage.sections import DatabaseConfig
from tests.real_s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server
from tests.running_server import RunningServer, serving

_SECRET = re.compile(r"dsync_[0-9A-Za-z]{38}")


@dataclass
class DriveServer:
    """A running server, and how a client signs in."""

    running: RunningServer
    secret: str

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/dav/files/account"


@contextlib.contextmanager
def embedded_drive(folder: Path) -> Iterator[DriveServer]:
    """SQLite and a disk, as the first start makes them."""
    with serving(folder) as running:
        [secret] = set(_SECRET.findall(running.stdout))
        yield DriveServer(running, secret)


@contextlib.contextmanager
def networked_drive(folder: Path, database_url: str, s3: S3Server) -> Iterator[DriveServer]:
    """PostgreSQL and S3, with two workers."""
    secret = _prepare(database_url)
    variables = {
        "DAVSERVER_DATABASE__URL": database_url,
        "DAVSERVER_BLOBS__KIND": "s3",
        "DAVSERVER_BLOBS__BUCKET": s3.new_bucket(),
        "DAVSERVER_BLOBS__ENDPOINT_URL": s3.url,
        "DAVSERVER_BLOBS__ACCESS_KEY_ID": ACCESS_KEY_ID,
        "DAVSERVER_BLOBS__SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "DAVSERVER_SERVER__WORKERS": "2",
        "DAVSERVER_SECRETS__KEYS": f"test:{base64.b64encode(bytes(32)).decode()}",
    }
    with serving(folder, **variables) as running:
        yield DriveServer(running, secret)


def _prepare(database_url: str) -> str:
    database = Database(DatabaseConfig(url=database_url))
    try:
        migrations.upgrade(database)
        return database.write(_open_account)
    finally:
        database.close()


def _open_account(tx) -> str:
    account, _ = accounts.create(
        tx, name="home", owner_email="a@example.org", owner_password_hash="-", actor=COMMAND_LINE
    )
    _, secret = devices.issue(
        tx,
        account_id=account.id,
        label="Phone",
        scopes=frozenset({Scope.DRIVE_ACCOUNT_READ, Scope.DRIVE_ACCOUNT_WRITE}),
        via=Surface.CLI,
        actor=COMMAND_LINE,
    )
    return secret
