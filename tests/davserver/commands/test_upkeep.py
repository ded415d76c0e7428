"""Trash, versions, locks, upkeep: what an operator does to a drive from the command line."""

import io

import pytest

from storage.audit import COMMAND_LINE, Actor
from storage.config import load_config
from storage.drive import locking, publishing, spaces, trash
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.store import open_store


@pytest.fixture
def drive(home):
    """The account's drive with a file that was replaced once."""
    home("keys", "new", home.folder / "data" / "davserver.keys")
    device_id = home.issue_device(1)
    store = open_store(load_config(home.config_path))
    space = store.database.write(lambda tx: spaces.ensure(tx, account_id=1))
    for content in (b"old", b"newer"):
        publishing.receive(
            store.database, store.blobs, io.BytesIO(content), space=space,
            publishing=lambda tx, staged, reservation: publishing.publish(
                tx, tree=Tree(space), path=Path.parse("a"), staged=staged,
                reservation=reservation, actor=COMMAND_LINE,
            ),
        )  # fmt: skip
    home.store, home.tree = store, Tree(space)
    home.device = Actor(type="device", id=device_id, label="Phone")
    yield home
    store.close()


def delete(drive):
    drive.store.database.write(
        lambda tx: trash.delete(tx, tree=drive.tree, path=Path.parse("a"), actor=COMMAND_LINE)
    )


def test_what_was_deleted_is_listed_and_comes_back(drive):
    delete(drive)
    [item] = drive.json("trash", "list", "--account", "home")
    assert (item["name"], item["size"]) == ("a", 5)
    assert "/a" in drive("trash", "restore", "--account", "home", item["id"]).stdout
    assert drive.json("trash", "list", "--account", "home") == []


def test_an_emptied_trash_is_empty(drive):
    delete(drive)
    assert drive("trash", "empty", "--account", "home", "--yes").exit_code == 0
    assert drive.json("trash", "list", "--account", "home") == []


def test_a_former_content_is_listed_and_comes_back(drive):
    [item] = drive.json("version", "list", "--account", "home", "a")
    assert item["size"] == 3
    assert drive("version", "restore", "--account", "home", item["id"]).exit_code == 0
    newest, *_ = drive.json("version", "list", "--account", "home", "a")
    assert newest["size"] == 5


def test_a_lock_is_listed_and_broken(drive):
    drive.store.database.write(
        lambda tx: locking.take(
            tx, tree=drive.tree, path=Path.parse("a"), actor=drive.device, longest_seconds=60
        )
    )
    [held] = drive.json("lock", "list")
    assert held["path"] == "/a"
    assert drive("lock", "break", held["token"]).exit_code == 0
    assert drive.json("lock", "list", "--account", "home") == []


def test_a_sound_drive_has_no_findings_and_right_counters(drive):
    assert drive("fsck", "--deep").exit_code == 0
    assert "right" in drive("quota", "recalc").stdout


def test_a_dry_run_frees_nothing(drive):
    delete(drive)
    drive.json("gc", "--dry-run")
    assert len(drive.json("trash", "list", "--account", "home")) == 1
    assert drive("gc").exit_code == 0


def test_a_drive_that_nobody_used_is_said_to_be_so(home):
    result = home("trash", "list", "--account", "home")
    assert (result.exit_code, result.stderr) == (1, "davserver: Nobody has used this drive yet.\n")
