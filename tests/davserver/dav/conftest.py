"""The cast at the WebDAV door: Phone may write, Kiosk may read, Bob lives next door, Mary has a
mailbox in Alice's account. The application is the real one, over real databases and blobs.
"""

from __future__ import annotations

import pytest

from davserver.dav.app import DavApp, make_dav
from storage.audit import COMMAND_LINE
from storage.drive import fsck
from storage.drive.blobs.disk import DiskBlobs
from storage.drive.blobs.memory import MemoryBlobs
from storage.identity import devices
from storage.identity.devices import Surface
from storage.scopes import Scope
from storage.sections import DavConfig
from storage.store import Store
from tests.dav_client import Dav
from tests.storage.drive.people import make_account, make_mailbox

ACCOUNT_WRITE = frozenset({Scope.DRIVE_ACCOUNT_READ, Scope.DRIVE_ACCOUNT_WRITE})
ACCOUNT_READ = frozenset({Scope.DRIVE_ACCOUNT_READ})
MAILBOX_WRITE = frozenset({Scope.DRIVE_MAILBOX_READ, Scope.DRIVE_MAILBOX_WRITE})


@pytest.fixture
def blobs(database_config, tmp_path, clock, chance):
    """SQLite stands with a disk, PostgreSQL with memory: each pair is tested, in half the time."""
    if database_config.is_sqlite:
        return DiskBlobs(tmp_path / "blobs", random=chance, sync=False)
    return MemoryBlobs(clock=clock, random=chance)


@pytest.fixture
def store(database, blobs):
    return Store(database=database, blobs=blobs, keyring=None)


class Cast:
    """The people of one test, made as they are asked for."""

    def __init__(self, store, settings):
        self.store = store
        self.app: DavApp = make_dav(store, settings)
        self.accounts = {}

    def account(self, name):
        if name not in self.accounts:
            self.accounts[name] = self.store.database.write(lambda tx: make_account(tx, name))
        return self.accounts[name]

    def device(self, account, label, scopes=ACCOUNT_WRITE, mailbox_id=None):
        account_id = self.account(account)

        def act(tx):
            return devices.issue(
                tx, account_id=account_id, mailbox_id=mailbox_id, label=label, scopes=scopes,
                via=Surface.CLI, actor=COMMAND_LINE,
            )  # fmt: skip

        device, secret = self.store.database.write(act)
        dav = Dav(self.app, secret)
        dav.device = device
        return dav

    def mailbox(self, account):
        account_id = self.account(account)
        return self.store.database.write(lambda tx: make_mailbox(tx, account_id))

    def write(self, act):
        return self.store.database.write(act)

    def read(self, act):
        return self.store.database.read(act)


@pytest.fixture
def dav_settings():
    return DavConfig()


@pytest.fixture
def cast(store, dav_settings):
    """Whatever a test does through the door, afterwards tree, bytes and counters agree."""
    cast = Cast(store, dav_settings)
    yield cast
    found = [
        each
        for each in fsck.check(store.database, store.blobs, deep=True)
        if isinstance(each, fsck.Finding)
    ]
    assert found == []


@pytest.fixture
def dav(cast):
    """Alice's phone."""
    return cast.device("alice", "Phone")


@pytest.fixture
def laptop(cast):
    """Another device of Alice's."""
    return cast.device("alice", "Laptop")


@pytest.fixture
def kiosk(cast):
    """A device of Alice's that may only read."""
    return cast.device("alice", "Kiosk", ACCOUNT_READ)


@pytest.fixture
def bob(cast):
    """A device of another account."""
    return cast.device("bob", "Tablet")


@pytest.fixture
def mary(cast):
    """A device that is bound to a mailbox of Alice's account."""
    mailbox_id = cast.mailbox("alice")
    device = cast.device("alice", "Mary's phone", MAILBOX_WRITE, mailbox_id)
    return device.at(f"/dav/files/mailbox-{mailbox_id}/")
