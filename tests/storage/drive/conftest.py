"""The cast, and a drive to act on: Alice's account with two devices, and Bob's next door."""

from __future__ import annotations

from io import BytesIO

import pytest

from storage.drive import (
    folders,
    fsck,
    listing,
    locking,
    nodes,
    publishing,
    spaces,
    transfer,
    trash,
    uploads,
    usage,
)
from storage.drive.blobs.memory import MemoryBlobs
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.drive.usage import NO_LIMIT
from tests.storage.drive.people import make_account, make_device

HOUR = 3600.0


class Drive:
    """One account's drive, driven by short words. Every act is a transaction of its own."""

    def __init__(self, database, blobs, account_id, phone, laptop):
        self.database, self.blobs, self.account_id = database, blobs, account_id
        self.phone, self.laptop = phone, laptop
        self.space = database.write(lambda tx: spaces.ensure(tx, account_id=account_id))
        self.tree = Tree(self.space)

    def write(self, function, **values):
        values = {"actor": self.phone, **values}
        return self.database.write(lambda tx: function(tx, **values))

    def at(self, path, tree=None):
        return {"tree": tree or self.tree, "path": Path.parse(path)}

    def put(self, path, content=b"", *, quota=NO_LIMIT, tree=None, actor=None, wanted=None, **more):
        def publish(tx, staged, reservation):
            return publishing.publish(
                tx, **self.at(path, tree), staged=staged, reservation=reservation, quota=quota,
                actor=actor or self.phone, **more,
            )  # fmt: skip

        source = BytesIO(content) if isinstance(content, bytes) else content
        return publishing.receive(
            self.database, self.blobs, source, space=(tree or self.tree).space,
            publishing=publish, quota=quota, wanted=wanted or uploads.Wanted(),
        )  # fmt: skip

    def mkdir(self, path, **more):
        return self.write(folders.make, **self.at(path), **more)

    def delete(self, path, **more):
        return self.write(trash.delete, **self.at(path), **more)

    def move(self, path, target, **more):
        return self.write(transfer.move, **self.at(path), target=Path.parse(target), **more)

    def copy(self, path, target, **more):
        return self.write(transfer.copy, **self.at(path), target=Path.parse(target), **more)

    def lock(self, path, **more):
        return self.write(locking.take, **self.at(path), longest_seconds=HOUR, **more)

    def unlock(self, path, token, **more):
        return self.write(locking.release, **self.at(path), token=token, **more)

    def find(self, path, tree=None):
        return self.database.read(lambda tx: nodes.find(tx, **self.at(path, tree))).node

    def read(self, path):
        node = self.find(path)
        assert node is not None, f"{path} is not there"
        if node.blob is None:
            return b""
        reader = self.blobs.open(node.blob)
        try:
            return reader.read(node.size + 1)
        finally:
            reader.close()

    def names(self, path="/"):
        folder = self.find(path)
        return self.database.read(
            lambda tx: [
                row.name
                for row in listing.list_members(tx, folder_id=folder.id, space_id=folder.space_id)
            ]
        )

    def rows(self, path="/"):
        folder = self.find(path)
        return self.database.read(lambda tx: list(listing.iter_below(tx, folder_id=folder.id)))

    def hrefs(self, path="/"):
        return sorted(row.href for row in self.rows(path))

    def usage(self):
        return self.database.read(lambda tx: usage.get(tx, space_id=self.space.id))

    def trash(self):
        return self.database.read(lambda tx: trash.list_trashed(tx, space_id=self.space.id))

    def findings(self, **more):
        return [
            finding
            for finding in fsck.check(self.database, self.blobs, **more)
            if isinstance(finding, fsck.Finding)
        ]


@pytest.fixture
def blobs(clock, chance):
    return MemoryBlobs(clock=clock, random=chance)


@pytest.fixture
def unchecked_drive(database, blobs):
    """Alice's drive, for tests that damage it."""
    account_id = database.write(lambda tx: make_account(tx, "alice"))
    phone = database.write(lambda tx: make_device(tx, account_id, "Phone"))
    laptop = database.write(lambda tx: make_device(tx, account_id, "Laptop"))
    return Drive(database, blobs, account_id, phone, laptop)


@pytest.fixture
def drive(unchecked_drive):
    """Alice's drive. Afterwards every invariant of the tree, the bytes and the counters holds."""
    drive = unchecked_drive
    yield drive
    assert drive.findings(deep=True) == []


@pytest.fixture
def bob(database, blobs, drive):
    """Bob's drive, in another account."""
    account_id = database.write(lambda tx: make_account(tx, "bob"))
    tablet = database.write(lambda tx: make_device(tx, account_id, "Tablet"))
    return Drive(database, blobs, account_id, tablet, tablet)
