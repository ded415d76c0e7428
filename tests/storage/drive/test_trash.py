import pytest
from sqlalchemy import event

from storage.drive import purging, sweep, trash, versions
from storage.drive.sweep import Keeping
from storage.errors import Locked, NotAllowed, NotFound


def restore(drive, name):
    [found] = [trashed for trashed in drive.trash() if trashed.name == name]
    return drive.write(trash.restore, space=drive.space, node_id=found.id)


def swept(drive, **keeping):
    total = sweep.Swept()
    for part in sweep.sweep(
        drive.database, drive.blobs, keeping=Keeping(**keeping), lists_store=True
    ):
        total += part
    return total


def listed_versions(drive, path):
    return drive.database.read(lambda tx: versions.list_versions(tx, **drive.at(path)))


@pytest.fixture
def tree(drive):
    drive.mkdir("/a")
    drive.mkdir("/a/b")
    drive.put("/a/b/c.txt", b"ccc")
    return drive


def test_a_deleted_folder_is_gone_and_in_the_trash(tree):
    tree.delete("/a")
    assert tree.find("/a/b/c.txt") is None
    [trashed] = tree.trash()
    assert (trashed.name, trashed.size, trashed.deleted_by) == ("a", 3, f"device:{tree.phone.id}")
    assert (tree.find("/").size, tree.usage().used_bytes) == (0, 3)


def test_deleting_a_tree_changes_as_many_rows_however_many_are_in_it(tree):
    changed = []

    def count(_connection, cursor, statement, *_rest):
        if statement.startswith(("UPDATE", "INSERT", "DELETE")):
            changed.append(max(0, cursor.rowcount))

    tree.mkdir("/empty")
    event.listen(tree.database.engine, "after_cursor_execute", count)
    tree.delete("/empty")
    few = sum(changed)
    changed.clear()
    tree.delete("/a")
    assert sum(changed) == few


def test_the_name_of_what_was_deleted_is_free_again(tree):
    tree.delete("/a")
    tree.mkdir("/a")
    assert tree.hrefs("/a") == []


def test_a_missing_thing_and_the_top_are_not_deleted(tree):
    with pytest.raises(NotFound):
        tree.delete("/no")
    with pytest.raises(NotAllowed):
        tree.delete("/")


def test_what_is_restored_is_where_it_was(tree):
    tree.delete("/a/b")
    node, path = restore(tree, "b")
    assert (str(path), tree.read("/a/b/c.txt")) == ("/a/b", b"ccc")
    assert tree.find("/a").size == 3
    assert tree.trash() == []
    assert node.id == tree.find("/a/b").id


def test_what_is_restored_gets_another_name_when_its_own_is_taken(tree):
    tree.put("/x.txt", b"1")
    tree.delete("/x.txt")
    tree.put("/x.txt", b"2")
    _, path = restore(tree, "x.txt")
    assert (str(path), tree.read("/x (2).txt")) == ("/x (2).txt", b"1")


@pytest.mark.parametrize("is_purged", [False, True])
def test_what_is_restored_goes_to_the_top_when_its_folder_is_gone(tree, is_purged):
    tree.delete("/a/b")
    tree.delete("/a")
    if is_purged:
        [folder] = [trashed for trashed in tree.trash() if trashed.name == "a"]
        purging.purge(tree.database, space=tree.space, node_id=folder.id, actor=tree.phone)
    _, path = restore(tree, "b")
    assert (str(path), tree.read("/b/c.txt")) == ("/b", b"ccc")


def test_nothing_is_restored_into_a_locked_folder(tree):
    tree.delete("/a/b")
    tree.lock("/a")
    with pytest.raises(Locked):
        restore(tree, "b")


def test_bob_restores_and_purges_nothing_of_alices(tree, bob):
    tree.delete("/a")
    [trashed] = tree.trash()
    with pytest.raises(NotFound):
        bob.write(trash.restore, space=bob.space, node_id=trashed.id)
    with pytest.raises(NotFound):
        purging.purge(bob.database, space=bob.space, node_id=trashed.id, actor=bob.phone)


def test_emptying_the_trash_gives_the_room_back_and_the_sweeper_deletes_the_bytes(tree):
    tree.put("/a/b/c.txt", b"changed")
    tree.copy("/a/b/c.txt", "/kept")
    tree.delete("/a")
    assert purging.empty(tree.database, space=tree.space, actor=tree.phone) == 3
    assert (tree.trash(), tree.usage().used_bytes) == ([], 7)
    assert swept(tree).blobs == 1
    assert tree.read("/kept") == b"changed"


def test_a_purge_that_was_begun_is_finished_by_the_sweeper(tree):
    tree.delete("/a")
    [trashed] = tree.trash()
    tree.write(purging.begin, space=tree.space, node_id=trashed.id)
    assert tree.trash() == []
    with pytest.raises(NotFound):
        tree.write(trash.restore, space=tree.space, node_id=trashed.id)
    assert swept(tree).trashed == 3
    assert tree.usage().used_bytes == 0


def test_old_trash_and_old_versions_go_young_ones_stay(tree, clock):
    tree.put("/old", b"1")
    tree.put("/old", b"22")
    tree.delete("/a")
    clock.advance(days=29)
    tree.put("/old", b"333")
    tree.mkdir("/young")
    tree.delete("/young")
    assert swept(tree).trashed == 0
    clock.advance(days=2)
    counted = swept(tree)
    assert (counted.trashed, counted.versions, counted.blobs) == (3, 1, 2)
    assert [trashed.name for trashed in tree.trash()] == ["young"]
    assert len(listed_versions(tree, "/old")) == 1


def test_no_blob_goes_while_a_version_the_trash_or_a_copy_refers_to_it(tree, clock):
    """Invariant 15."""
    tree.put("/v", b"first")
    tree.put("/v", b"second")
    tree.copy("/a/b/c.txt", "/copy")
    tree.delete("/a")
    clock.advance(days=10)
    swept(tree)
    assert len(list(tree.blobs.list())) == 3
    restore(tree, "a")
    assert tree.read("/a/b/c.txt") == b"ccc"


def test_a_version_is_restored_and_what_it_replaces_is_kept(tree):
    tree.put("/v", b"first")
    tree.put("/v", b"second!")
    [version] = listed_versions(tree, "/v")
    node, _ = tree.write(versions.restore, space=tree.space, version_id=version.id)
    assert tree.read("/v") == b"first"
    assert (node.etag, tree.find("/").size) == (version.etag, 8)
    [kept] = listed_versions(tree, "/v")
    assert kept.size == 7


def test_bob_restores_no_version_of_alices(tree, bob):
    tree.put("/v", b"first")
    tree.put("/v", b"second!")
    [version] = listed_versions(tree, "/v")
    with pytest.raises(NotFound):
        bob.write(versions.restore, space=bob.space, version_id=version.id)


def test_a_stray_blob_goes_after_its_time_of_grace(tree, clock):
    from io import BytesIO

    from storage.drive import publishing, uploads
    from storage.errors import Unavailable

    staged = uploads.stage(tree.blobs, BytesIO(b"left behind"))
    assert swept(tree).strays == 0
    clock.advance(days=3)
    tree.copy("/a", "/copy")
    assert sweep.estimate(tree.database, tree.blobs, keeping=Keeping()).strays == 1
    assert swept(tree).strays == 1
    assert staged.ref.key not in {entry.key for entry in tree.blobs.list()}
    assert tree.read("/a/b/c.txt") == b"ccc"

    late = uploads.stage(tree.blobs, BytesIO(b"slow"))
    tree.database.write(lambda tx: uploads.claim_stray(tx, key=late.ref.key, size=4))
    with pytest.raises(Unavailable):
        tree.write(publishing.publish, **tree.at("/late"), staged=late)
    tree.blobs.delete(late.ref.key)


def test_expired_leases_and_locks_go(tree, clock):
    from storage.drive import usage

    tree.lock("/a", timeout_seconds=60)
    tree.database.write(
        lambda tx: usage.reserve(
            tx, space=tree.space, quota=usage.NO_LIMIT, wanted=100, lease_seconds=60
        )
    )
    assert swept(tree).reservations == 0
    clock.advance(seconds=61)
    estimated = sweep.estimate(tree.database, tree.blobs, keeping=Keeping())
    assert (estimated.locks, estimated.reservations) == (1, 1)
    counted = swept(tree)
    assert (counted.locks, counted.reservations, tree.usage().reserved_bytes) == (1, 1, 0)
