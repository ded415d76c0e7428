import hashlib
from io import BytesIO

import pytest
from sqlalchemy import select

from storage.audit import list_events
from storage.drive import (
    locking,
    properties,
    publishing,
    sharing,
    spaces,
    sync,
    transfer,
    trash,
    uploads,
    usage,
)
from storage.drive.conditions import ANY, Expected
from storage.drive.paths import Path, clean_name
from storage.drive.spaces import Tree
from storage.drive.tables import blobs
from storage.drive.uploads import Wanted
from storage.drive.usage import Quota
from storage.errors import (
    AlreadyExists,
    Changed,
    Incomplete,
    Invalid,
    Locked,
    NotAllowed,
    OverQuota,
    ParentMissing,
    TooLarge,
)
from tests.storage.drive.people import make_mailbox


def stored(drive):
    return sorted(entry.size for entry in drive.blobs.list())


def test_a_new_file_has_the_bytes_that_were_sent(drive):
    published = drive.put("/a.txt", b"hello")
    assert published.is_new
    assert drive.read("/a.txt") == b"hello"
    assert published.node.etag == drive.find("/a.txt").etag


def test_a_put_replaces_the_content_and_keeps_the_node(drive):
    first = drive.put("/a.txt", b"one").node
    second = drive.put("/a.txt", b"two!")
    assert not second.is_new
    assert second.node.id == first.id
    assert second.node.etag != first.etag
    assert drive.read("/a.txt") == b"two!"
    assert drive.usage().used_bytes == 7  # what was replaced is kept, and counts


def test_the_same_bytes_again_keep_the_etag_and_take_no_room(drive):
    first = drive.put("/a.txt", b"one").node
    second = drive.put("/a.txt", b"one").node
    assert (second.etag, drive.usage().used_bytes) == (first.etag, 3)


def test_an_empty_file_needs_no_blob(drive):
    drive.put("/empty")
    assert (drive.read("/empty"), stored(drive)) == (b"", [])


def test_folders_above_a_new_file_grow_and_get_new_etags(drive):
    drive.mkdir("/a")
    drive.mkdir("/a/b")
    before = [drive.find(path).etag for path in ("/", "/a", "/a/b")]
    drive.put("/a/b/c", b"12345")
    after = [drive.find(path) for path in ("/", "/a", "/a/b")]
    assert [node.size for node in after] == [5, 5, 5]
    assert all(node.etag != etag for node, etag in zip(after, before, strict=True))


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        pytest.param(Wanted(size=6), Incomplete, id="shorter than announced"),
        pytest.param(Wanted(size=4), Incomplete, id="longer than announced"),
        pytest.param(Wanted(checksums={"sha1": bytes(20)}), Incomplete, id="another checksum"),
        pytest.param(Wanted(largest=4), TooLarge, id="too large"),
    ],
)
def test_a_body_that_is_not_as_wanted_leaves_the_old_file(drive, wanted, error):
    drive.put("/a", b"old")
    with pytest.raises(error):
        drive.put("/a", b"hello", wanted=wanted)
    assert drive.read("/a") == b"old"
    assert stored(drive) == [3]


def test_a_right_checksum_passes(drive):
    wanted = Wanted(size=5, checksums={"md5": hashlib.md5(b"hello").digest()})
    assert drive.put("/a", b"hello", wanted=wanted).node.md5 == wanted.checksums["md5"]


class BreaksOff:
    def __init__(self, content):
        self.content = content

    def read(self, size):
        if not self.content:
            raise ConnectionError("gone")
        data, self.content = self.content, b""
        return data


def test_a_body_that_breaks_off_leaves_no_trace(drive):
    with pytest.raises(ConnectionError):
        drive.put("/a", BreaksOff(b"hell"))
    assert (drive.find("/a"), stored(drive), drive.usage().total_bytes) == (None, [], 0)


def test_a_refused_commit_deletes_the_staged_bytes(drive):
    drive.put("/a", b"old")
    with pytest.raises(Changed):
        drive.put("/a", b"new", expected=Expected(if_match=frozenset({"other"})))
    assert (drive.read("/a"), stored(drive)) == (b"old", [3])


def test_a_published_body_is_never_discarded(drive):
    staged = uploads.stage(drive.blobs, BytesIO(b"hello"))
    drive.database.write(
        lambda tx: publishing.publish(tx, **drive.at("/a"), staged=staged, actor=drive.phone)
    )
    assert not uploads.discard(drive.database, drive.blobs, staged)
    assert drive.read("/a") == b"hello"


@pytest.mark.parametrize(
    ("expected", "is_met"),
    [
        (Expected(if_match=ANY), False),
        (Expected(if_match=frozenset({"x"})), False),
        (Expected(if_none_match=ANY), True),
        (Expected(if_none_match=frozenset({"x"})), True),
    ],
)
def test_conditions_on_a_missing_file(drive, expected, is_met):
    if is_met:
        drive.put("/a", b"1", expected=expected)
    else:
        with pytest.raises(Changed):
            drive.put("/a", b"1", expected=expected)
    assert (drive.find("/a") is not None) == is_met


def test_if_none_match_any_refuses_an_existing_file(drive):
    drive.put("/a", b"1")
    with pytest.raises(Changed):
        drive.put("/a", b"2", expected=Expected(if_none_match=ANY))


def test_if_unmodified_since_is_about_whole_seconds(drive, clock):
    clock.advance(microseconds=400_000)
    drive.put("/a", b"1")
    limit = clock().replace(microsecond=0)
    drive.put("/a", b"2", expected=Expected(if_unmodified_since=limit))
    clock.advance(seconds=1)
    drive.put("/a", b"3")
    with pytest.raises(Changed):
        drive.put("/a", b"4", expected=Expected(if_unmodified_since=limit))


def test_a_missing_folder_is_told_apart_from_a_missing_file(drive):
    drive.put("/file", b"1")
    for path in ("/no/a", "/file/a", "/no/no/a"):
        with pytest.raises(ParentMissing):
            drive.put(path, b"1")


def test_a_folder_is_not_overwritten_by_a_file(drive):
    drive.mkdir("/a")
    for path in ("/a", "/"):
        with pytest.raises(AlreadyExists):
            drive.put(path, b"1")


@pytest.mark.parametrize("size", [11, 5 * 1024 * 1024])
def test_over_quota_nothing_is_stored_and_no_room_stays_reserved(drive, size):
    """Invariant 8: used + reserved stays within the pool; a failed upload gives back its room."""
    quota = Quota(pool_bytes=10)
    drive.put("/a", b"12345", quota=quota)
    for wanted in (Wanted(), Wanted(size=size)):
        with pytest.raises(OverQuota):
            drive.put("/b", bytes(size), quota=quota, wanted=wanted)
    assert (drive.usage().total_bytes, stored(drive)) == (5, [5])


class Watched:
    """A long body that looks at the counters while it is read."""

    def __init__(self, drive, size, *, breaks):
        self.drive, self.left, self.breaks, self.seen = drive, size, breaks, set()

    def read(self, size):
        self.seen.add(self.drive.usage().reserved_bytes)
        if not self.left and self.breaks:
            raise ConnectionError
        count = min(size, self.left)
        self.left -= count
        return bytes(count)


LONG = 5 * 1024 * 1024


@pytest.mark.parametrize("breaks", [False, True])
def test_a_long_body_keeps_room_for_itself_until_it_ends(drive, breaks):
    """Invariant 8."""
    source = Watched(drive, LONG, breaks=breaks)
    quota = Quota(pool_bytes=LONG + 1)
    try:
        drive.put("/f", source, quota=quota, wanted=Wanted(size=LONG))
    except ConnectionError:
        assert breaks
    assert source.seen == {LONG}
    taken = drive.usage()
    assert (taken.used_bytes, taken.reserved_bytes) == (0 if breaks else LONG, 0)


def test_a_long_upload_renews_its_lease_as_it_goes(drive, clock):
    reservation = drive.database.write(
        lambda tx: usage.reserve(tx, space=drive.space, quota=Quota(), wanted=10, lease_seconds=60)
    )
    pulses = []

    def renew():
        clock.advance(seconds=50)
        pulses.append(
            drive.database.write(
                lambda tx: usage.renew(tx, reservation=reservation, lease_seconds=60)
            )
        )

    staged = uploads.stage(
        drive.blobs, BytesIO(bytes(1024 * 1024)), while_reading=renew, pulse_seconds=0
    )
    assert pulses == [True] * 4
    assert not drive.database.read(lambda tx: usage.is_expired(tx, reservation=reservation))
    drive.write(publishing.publish, **drive.at("/f"), staged=staged, reservation=reservation)
    assert drive.usage().reserved_bytes == 0


def test_versions_and_trash_count_against_the_quota(drive):
    quota = Quota(pool_bytes=10)
    drive.put("/a", b"12345", quota=quota)
    drive.put("/a", b"1234", quota=quota)
    drive.delete("/a")
    with pytest.raises(OverQuota):
        drive.put("/b", b"12", quota=quota)
    drive.put("/b", b"1", quota=quota)


def test_the_pool_is_shared_by_all_spaces_of_the_account(drive):
    mailbox_id = drive.database.write(lambda tx: make_mailbox(tx, drive.account_id))
    space = drive.database.write(
        lambda tx: spaces.ensure(tx, account_id=drive.account_id, mailbox_id=mailbox_id)
    )
    quota = Quota(pool_bytes=10, allocation_bytes=7)
    drive.put("/a", b"12345", quota=Quota(pool_bytes=10))
    with pytest.raises(OverQuota):
        drive.put("/b", b"123456", quota=quota, tree=Tree(space))
    drive.put("/b", b"12345", quota=quota, tree=Tree(space))


def test_every_write_leaves_its_audit_row(drive):
    """Invariant 7."""
    drive.put("/a", b"1")
    [event, *_] = drive.database.read(lambda tx: list_events(tx, account_id=drive.account_id))
    assert (event["action"], event["target_label"]) == ("drive:file:written", "/a")
    assert event["actor_id"] == drive.phone.id


def test_a_refused_write_leaves_no_audit_row(drive):
    count = len(drive.database.read(lambda tx: list_events(tx, limit=1000)))
    with pytest.raises(ParentMissing):
        drive.put("/no/a", b"1")
    assert len(drive.database.read(lambda tx: list_events(tx, limit=1000))) == count


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\x00", "a\x1f", "\x7f", "\x9f", "\ufffe", ""])
def test_names_that_no_file_can_have(name):
    with pytest.raises(Invalid):
        clean_name(name)


def test_names_are_found_whatever_their_unicode_form(drive):
    drive.put("/e\u0301.txt", b"1")
    assert not drive.put("/\u00e9.txt", b"2").is_new
    assert drive.names() == ["\u00e9.txt"]


def test_the_longest_name_fits_in_every_form(drive):
    name = "\U0001f600" * 255
    drive.put(f"/{name}", b"1")
    [row] = drive.rows()
    assert row.name_href == "%F0%9F%98%80" * 255


def test_a_shared_view_shows_shared_folders_only_and_keeps_its_top(drive):

    view = Tree(drive.space, shared_only=True)
    drive.mkdir("/open")
    drive.mkdir("/closed")
    drive.write(sharing.set_shared, **drive.at("/open"), is_shared=True)
    drive.put("/open/a", b"1", tree=view)
    assert drive.find("/closed", tree=view) is None
    assert drive.find("/open/a", tree=view) is not None
    with pytest.raises(NotAllowed):
        drive.put("/new", b"1", tree=view)


def test_the_top_of_a_shared_view_is_no_way_to_the_rest(drive):
    """Invariant 6: what is not shared can't be copied, locked, watched or marked through it."""
    view = Tree(drive.space, shared_only=True)
    mailbox_id = drive.database.write(lambda tx: make_mailbox(tx, drive.account_id))
    own = drive.database.write(
        lambda tx: spaces.ensure(tx, account_id=drive.account_id, mailbox_id=mailbox_id)
    )
    drive.put("/secret", b"1")
    at_top = {"tree": view, "path": Path()}
    root = drive.find("/")
    for act in (
        lambda: drive.write(
            transfer.copy, **at_top, target=Path.parse("/stolen"), target_tree=Tree(own)
        ),
        lambda: drive.write(locking.take, **at_top, longest_seconds=60),
        lambda: drive.write(properties.patch, **at_top),
        lambda: drive.database.read(lambda tx: sync.report(tx, tree=view, folder=root)),
        lambda: drive.write(trash.delete, **at_top),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_write_that_must_fail_is_refused_before_its_body(drive):
    drive.mkdir("/d")
    drive.put("/f", b"12345")
    drive.lock("/f", actor=drive.laptop)

    def precheck(path, **more):
        return drive.database.read(
            lambda tx: publishing.precheck(tx, **drive.at(path), actor=drive.phone, **more)
        )

    for path, more, error in (
        ("/d", {}, AlreadyExists),
        ("/no/f", {}, ParentMissing),
        ("/f", {}, Locked),
        ("/g", {"expected": Expected(if_match=ANY)}, Changed),
        ("/g", {"quota": Quota(pool_bytes=10), "size": 6}, OverQuota),
    ):
        with pytest.raises(error):
            precheck(path, **more)
    assert precheck("/g", quota=Quota(pool_bytes=10), size=5).node is None


def test_checksums_for_later_may_be_left_out(drive):
    staged = uploads.stage(drive.blobs, BytesIO(b"1"), wanted=Wanted(size=1), keeps_checksums=False)
    assert (staged.sha1, staged.md5) == (None, None)
    assert uploads.discard(drive.database, drive.blobs, staged)


def test_an_announced_size_that_is_too_large_is_refused_unread(drive):
    class Unread:
        def read(self, size):
            raise AssertionError

    with pytest.raises(TooLarge):
        uploads.stage(drive.blobs, Unread(), wanted=Wanted(size=5, largest=4))


def test_blob_rows_hold_the_hashes_of_the_bytes(drive):
    drive.put("/a", b"hello")
    row = drive.database.read(lambda tx: tx.connection.execute(select(blobs)).one())
    assert row.sha256 == hashlib.sha256(b"hello").digest()
