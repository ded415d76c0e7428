import pytest
from sqlalchemy import delete, update

from storage.drive import fsck, usage
from storage.drive.tables import blobs, nodes
from storage.drive.tables import usage as usage_table


@pytest.fixture
def tree(unchecked_drive):
    drive = unchecked_drive
    drive.mkdir("/a")
    drive.mkdir("/b")
    drive.put("/a/f", b"hello")
    drive.put("/a/f", b"hello again")
    drive.put("/a/empty")
    assert drive.findings(deep=True) == []
    return drive


def damage(drive, table, path=None, **values):
    statement = update(table).values(values)
    if path is not None:
        statement = statement.where(nodes.c.id == drive.find(path).id)
    drive.database.write(lambda tx: tx.connection.execute(statement))


def faults(drive, **more):
    return [(finding.subject, finding.what) for finding in drive.findings(**more)]


def test_a_folder_of_wrong_size_is_found(tree):
    damage(tree, nodes, "/a", size=10)
    assert ("node", "has another size than its members together") in faults(tree)


def test_a_circle_is_found(tree):
    a, b = tree.find("/a").id, tree.find("/b").id

    def act(tx):
        tx.connection.execute(update(nodes).where(nodes.c.id == a).values(parent_id=b))
        tx.connection.execute(update(nodes).where(nodes.c.id == b).values(parent_id=a))

    tree.database.write(act)
    lost = [what for _, what in faults(tree) if what.startswith("can't be reached")]
    assert len(lost) == 4


def test_a_node_in_a_file_is_found(tree):
    damage(tree, nodes, "/b", parent_id=tree.find("/a/f").id)
    assert ("node", "hangs in a file, or in another drive") in faults(tree)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"size": 1}, "has another size than its bytes"),
        ({"etag": "x"}, "has an etag that is not its content's"),
        ({"blob_id": None, "size": 0}, "has no bytes, but a size or an etag of some"),
        ({"name_href": "g"}, "has a name that its forms for URLs and XML don't match"),
    ],
)
def test_a_file_that_is_not_its_content_is_found(tree, values, what):
    damage(tree, nodes, "/a/f", **values)
    assert ("node", what) in faults(tree)


def test_wrong_counters_are_found_and_recalc_mends_them(tree):
    damage(tree, usage_table, used_bytes=1, reserved_bytes=7)
    assert faults(tree) == [("space", "has wrong counters; run: quota recalc")]
    before, after = tree.database.write(lambda tx: usage.recalc(tx, space_id=tree.space.id))
    assert (before.total_bytes, after.used_bytes, after.reserved_bytes) == (8, 16, 0)
    assert faults(tree) == []


def test_a_dry_recalc_only_tells(tree):
    damage(tree, usage_table, used_bytes=1)
    tree.database.write(lambda tx: usage.recalc(tx, space_id=tree.space.id, is_dry_run=True))
    assert tree.usage().used_bytes == 1


def test_missing_bytes_are_found(tree):
    [key] = [entry.key for entry in tree.blobs.list() if entry.size == 11]
    tree.blobs.delete(key)
    assert faults(tree) == faults(tree, deep=True) == [("blob", "is not in the store")]


def test_changed_bytes_are_found_by_reading_them(tree):
    damage(tree, blobs, sha256=bytes(32))
    assert ("blob", "has other bytes than were stored") in faults(tree, deep=True)


def test_bytes_that_are_being_deleted_but_referred_to_are_found(tree):
    damage(tree, blobs, state="orphan")
    assert ("node", "refers to bytes that are being deleted") in faults(tree)
    assert ("version", "refers to bytes that are being deleted") in faults(tree)


def test_a_missing_top_is_found(tree):
    tree.delete("/a")
    tree.delete("/b")

    def act(tx):
        tx.connection.execute(delete(nodes).where(nodes.c.id == tree.space.root_id))

    tree.database.write(act)
    found = [
        finding.what
        for finding in fsck.check(tree.database, tree.blobs)
        if isinstance(finding, fsck.Finding)
    ]
    assert "does not have exactly one top folder" in found


def test_progress_is_told_on_the_way(tree):
    told = [
        part for part in fsck.check(tree.database, tree.blobs) if isinstance(part, fsck.Progress)
    ]
    assert told[-1] == fsck.Progress("bytes", 2, 2)
