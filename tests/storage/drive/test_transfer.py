import pytest
from sqlalchemy import event

from storage.audit import list_events
from storage.drive import properties, spaces
from storage.drive.properties import Property
from storage.drive.spaces import Tree
from storage.drive.usage import Quota
from storage.errors import Changed, NotAllowed, NotFound, OverQuota, ParentMissing
from tests.storage.drive.people import make_mailbox


@pytest.fixture
def tree(drive):
    """/a/b/c.txt and /a/d.txt, and an empty /z."""
    for path in ("/a", "/a/b", "/z"):
        drive.mkdir(path)
    drive.put("/a/b/c.txt", b"ccc")
    drive.put("/a/d.txt", b"d")
    return drive


@pytest.fixture
def mailbox_tree(drive):
    mailbox_id = drive.database.write(lambda tx: make_mailbox(tx, drive.account_id))
    space = drive.database.write(
        lambda tx: spaces.ensure(tx, account_id=drive.account_id, mailbox_id=mailbox_id)
    )
    return Tree(space)


def note(drive, path, value="<x/>"):
    drive.write(properties.patch, **drive.at(path), instructions=[Property("ns", "x", value)])


def noted(drive, path):
    node = drive.find(path)
    return drive.database.read(lambda tx: properties.list_of(tx, node_id=node.id))


def test_a_moved_folder_keeps_its_ids_and_all_below_it(tree):
    before = {row.href: row.id for row in tree.rows("/a")}
    moved = tree.move("/a", "/z/renamed")
    assert moved.is_new
    assert {row.href: row.id for row in tree.rows("/z/renamed")} == before
    assert tree.find("/a") is None
    assert (tree.find("/z").size, tree.find("/").size) == (4, 4)


def test_moving_a_folder_changes_as_many_rows_however_many_are_below_it(tree):
    changed = []

    def count(_connection, cursor, statement, *_rest):
        if statement.startswith(("UPDATE", "INSERT", "DELETE")):
            changed.append(cursor.rowcount)

    event.listen(tree.database.engine, "after_cursor_execute", count)
    tree.move("/a", "/z/a")
    few, changed[:] = sum(changed), []
    for number in range(30):
        tree.put(f"/z/a/{number}", b"1")
    changed.clear()
    tree.move("/z/a", "/a")
    assert sum(changed) == few


def test_a_rename_gives_new_names_for_urls_and_xml(tree):
    tree.move("/a/d.txt", "/a/d & e.txt")
    [row] = [row for row in tree.rows() if row.name == "d & e.txt"]
    assert (row.name_href, row.name_xml) == ("d%20%26%20e.txt", "d &amp; e.txt")


def test_what_a_move_overwrites_goes_to_the_trash_whole(tree):
    tree.mkdir("/target")
    tree.put("/target/old", b"old")
    moved = tree.move("/a", "/target")
    assert not moved.is_new
    assert tree.hrefs("/target") == ["b/", "b/c.txt", "d.txt"]
    [trashed] = tree.trash()
    assert (trashed.name, trashed.size) == ("target", 3)


@pytest.mark.parametrize("act", ["move", "copy"])
def test_nothing_is_overwritten_that_must_not_be(tree, act):
    with pytest.raises(Changed):
        getattr(tree, act)("/a/d.txt", "/z", overwrites=False)


@pytest.mark.parametrize("act", ["move", "copy"])
@pytest.mark.parametrize("target", ["/a", "/a/b/new", "/a/new", "/"])
def test_nothing_goes_onto_or_into_itself(tree, act, target):
    with pytest.raises(NotAllowed):
        getattr(tree, act)("/a", target)


@pytest.mark.parametrize("act", ["move", "copy"])
def test_nothing_replaces_a_folder_that_holds_it(tree, act):
    with pytest.raises(NotAllowed):
        getattr(tree, act)("/a/b", "/a")


@pytest.mark.parametrize("act", ["move", "copy"])
def test_a_missing_source_and_a_missing_target_folder_are_told_apart(tree, act):
    with pytest.raises(NotFound):
        getattr(tree, act)("/no", "/z/x")
    with pytest.raises(ParentMissing):
        getattr(tree, act)("/a", "/no/x")


def test_the_top_of_a_drive_is_not_moved(tree):
    with pytest.raises(NotAllowed):
        tree.move("/", "/z/x")


def test_a_copied_tree_is_equal_and_of_its_own(tree):
    note(tree, "/a/b/c.txt")
    ids = {row.id for row in tree.rows()}
    tree.copy("/a", "/z/copy")
    copied = tree.rows("/z/copy")
    assert [row.href for row in copied] == ["b/", "d.txt", "b/c.txt"]
    assert not ids & {row.id for row in copied}
    assert noted(tree, "/z/copy/b/c.txt") == [Property("ns", "x", "<x/>")]
    tree.put("/z/copy/b/c.txt", b"new")
    assert tree.read("/a/b/c.txt") == b"ccc"
    assert tree.find("/z/copy").size == 4


def test_a_copy_shares_the_bytes_and_counts_them(tree):
    tree.copy("/a", "/z/copy")
    assert len(list(tree.blobs.list())) == 2
    assert tree.usage().used_bytes == 8
    assert tree.find("/z/copy/d.txt").etag == tree.find("/a/d.txt").etag


def test_a_copy_beside_the_original_under_another_name(tree):
    tree.copy("/a", "/a2")
    tree.copy("/a/b/c.txt", "/a/b/c2.txt")
    assert tree.names() == ["a", "a2", "z"]
    assert tree.names("/a/b") == ["c.txt", "c2.txt"]


def test_ids_made_by_a_copy_are_never_given_again(tree):
    tree.copy("/a", "/z/copy")
    tree.put("/new", b"1")
    ids = [row.id for row in tree.rows()]
    assert len(ids) == len(set(ids))
    assert tree.find("/new").id == max(ids)


def test_a_shallow_copy_takes_the_folder_and_its_properties_only(tree):
    note(tree, "/a")
    tree.copy("/a", "/z/copy", is_deep=False)
    assert tree.hrefs("/z/copy") == []
    assert len(noted(tree, "/z/copy")) == 1


def test_what_is_in_the_trash_is_not_copied(tree):
    tree.delete("/a/b")
    tree.copy("/a", "/z/copy")
    assert tree.hrefs("/z/copy") == ["d.txt"]


def test_a_copy_over_quota_changes_nothing(tree):
    with pytest.raises(OverQuota):
        tree.copy("/a", "/z/copy", quota=Quota(pool_bytes=7))
    assert tree.hrefs("/z") == []
    tree.copy("/a", "/z/copy", quota=Quota(pool_bytes=8))


def test_properties_move_along(tree):
    note(tree, "/a/d.txt")
    tree.move("/a/d.txt", "/z/e.txt")
    assert noted(tree, "/z/e.txt") == [Property("ns", "x", "<x/>")]


@pytest.mark.parametrize("act", ["move", "copy"])
def test_a_client_may_give_the_time(tree, clock, act):
    then = clock()
    clock.advance(days=1)
    getattr(tree, act)("/a/d.txt", "/z/e.txt", mtime=then)
    assert tree.find("/z/e.txt").mtime == then


def test_a_copy_to_another_space_is_whole(tree, mailbox_tree):
    tree.copy("/a", "/mine", target_tree=mailbox_tree)
    assert tree.find("/mine/b/c.txt", tree=mailbox_tree).sha256 is not None
    assert tree.find("/a/b/c.txt") is not None


def test_a_move_to_another_space_leaves_the_source_in_the_trash(tree, mailbox_tree):
    tree.move("/a", "/mine", target_tree=mailbox_tree)
    assert tree.find("/mine/b/c.txt", tree=mailbox_tree) is not None
    assert tree.find("/a") is None
    assert [trashed.name for trashed in tree.trash()] == ["a"]


def test_every_transfer_leaves_its_audit_row(tree):
    """Invariant 7."""
    tree.copy("/a", "/z/copy")
    tree.move("/a", "/z/moved")
    moved, copied = tree.database.read(lambda tx: list_events(tx, limit=2))
    assert (moved["action"], moved["metadata"]["from"]) == ("drive:node:moved", "/a")
    assert (copied["action"], copied["target_label"]) == ("drive:node:copied", "/z/copy")


def test_bob_can_name_nothing_of_alices(tree, bob):
    """Invariant 6: a path leads nowhere but into its own space."""
    assert bob.find("/a") is None
    with pytest.raises(NotFound):
        bob.move("/a", "/stolen")


def test_very_deep_paths_are_resolved(drive):
    names = [f"d{number}" for number in range(70)]
    for depth in range(1, 71):
        drive.mkdir("/" + "/".join(names[:depth]))
    deep = "/" + "/".join(names)
    drive.put(deep + "/file", b"x")
    assert drive.read(deep + "/file") == b"x"
    assert drive.find("/").size == 1
    assert drive.find(deep + "/no") is None
    assert drive.find("/".join(names[:40]) + "/no/no") is None
