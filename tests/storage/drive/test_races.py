"""What must hold when several do it at once. A barrier starts them together; nobody sleeps."""

import threading
from functools import partial
from io import BytesIO

import pytest

from storage.drive import publishing, spaces, sweep, transfer, uploads
from storage.drive.conditions import ANY, Expected
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.drive.usage import Quota
from storage.errors import (
    Changed,
    Locked,
    NotAllowed,
    NotFound,
    ParentMissing,
    StoreError,
)
from tests.storage.drive.people import make_account, make_mailbox


def at_once(*acts):
    """Run all acts in threads of their own and return what each returned or raised."""
    barrier = threading.Barrier(len(acts))
    outcomes = [None] * len(acts)

    def run(number, act):
        barrier.wait(timeout=30)
        try:
            outcomes[number] = act()
        except StoreError as refusal:
            outcomes[number] = refusal

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return outcomes


def kinds(outcomes):
    return sorted(type(outcome).__name__ for outcome in outcomes)


ROUNDS = range(5)


def test_of_two_who_make_one_name_one_makes_it(drive):
    for number in ROUNDS:
        outcomes = at_once(*[lambda n=number: drive.mkdir(f"/new{n}")] * 4)
        assert kinds(outcomes) == ["AlreadyExists"] * 3 + ["Node"]


def test_of_many_who_create_a_file_only_if_it_is_not_there_one_does(drive):
    expected = Expected(if_none_match=ANY)
    for number in ROUNDS:
        acts = [
            lambda n=number, c=content: drive.put(f"/f{n}", c, expected=expected)
            for content in (b"a", b"bb", b"ccc", b"dddd")
        ]
        outcomes = at_once(*acts)
        assert kinds(outcomes) == ["Changed"] * 3 + ["Published"]
        [won] = [outcome for outcome in outcomes if not isinstance(outcome, Changed)]
        assert drive.find(f"/f{number}").etag == won.node.etag


def test_of_many_conditional_writers_exactly_one_wins(drive):
    drive.put("/f", b"start")
    for number in ROUNDS:
        etags = frozenset({drive.find("/f").etag})
        acts = [
            partial(drive.put, "/f", f"{number}-{who}".encode(), expected=Expected(if_match=etags))
            for who in range(4)
        ]
        assert kinds(at_once(*acts)) == ["Changed"] * 3 + ["Published"]
    assert len(list(drive.blobs.list())) == 1 + len(ROUNDS)


def test_two_folders_are_not_moved_into_each_other(drive):
    for number in ROUNDS:
        a, b = f"/a{number}", f"/b{number}"
        drive.mkdir(a)
        drive.mkdir(b)
        outcomes = at_once(
            lambda a=a, b=b: drive.move(a, b + "/a"), lambda a=a, b=b: drive.move(b, a + "/b")
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, StoreError)]
        assert len(refused) == 1
        assert isinstance(refused[0], ParentMissing | NotFound | NotAllowed)


def test_a_file_put_into_a_folder_that_is_being_deleted_is_there_or_refused(drive):
    for number in ROUNDS:
        folder = f"/d{number}"
        drive.mkdir(folder)
        put, _ = at_once(
            lambda f=folder: drive.put(f + "/x", b"1"), lambda f=folder: drive.delete(f)
        )
        assert drive.find(folder) is None
        assert isinstance(put, ParentMissing) or put.is_new


def test_only_one_of_many_takes_an_exclusive_lock(drive):
    drive.put("/f", b"1")
    for _ in ROUNDS:
        outcomes = at_once(
            *[lambda who=who: drive.lock("/f", actor=who) for who in (drive.phone, drive.laptop)]
            * 2
        )
        assert kinds(outcomes) == ["Granted", "Locked", "Locked", "Locked"]
        [granted] = [outcome for outcome in outcomes if not isinstance(outcome, Locked)]
        owner = next(who for who in (drive.phone, drive.laptop) if who.id == granted.lock.device_id)
        drive.unlock("/f", granted.lock.token, actor=owner)


def test_a_write_and_a_lock_come_one_after_the_other(drive):
    drive.put("/f", b"0")
    for number in ROUNDS:
        content = str(number).encode() * 2
        locked, written = at_once(
            lambda: drive.lock("/f", actor=drive.laptop), lambda c=content: drive.put("/f", c)
        )
        was_written = not isinstance(written, Locked)
        assert (drive.read("/f") == content) == was_written
        drive.unlock("/f", locked.lock.token, actor=drive.laptop)


def test_two_who_fill_the_last_room_do_not_both_fit(drive):
    """Invariant 8."""
    quota = Quota(pool_bytes=10)
    outcomes = at_once(*[lambda n=n: drive.put(f"/f{n}", bytes(6), quota=quota) for n in range(4)])
    assert kinds(outcomes) == ["OverQuota"] * 3 + ["Published"]
    assert drive.usage().total_bytes == 6


def test_a_space_is_made_once(database):
    account_id = database.write(lambda tx: make_account(tx, "alice"))
    outcomes = at_once(
        *[lambda: database.write(lambda tx: spaces.ensure(tx, account_id=account_id))] * 4
    )
    assert len({space.id for space in outcomes}) == 1


def test_the_sweeper_takes_nothing_that_somebody_is_about_to_refer_to(drive, clock):
    """Invariant 15: copies, restored versions and new files survive a sweep beside them."""
    keeping = sweep.Keeping(trash_days=-1.0, stray_days=-1.0)  # everything is old enough

    def clean():
        return list(sweep.sweep(drive.database, drive.blobs, keeping=keeping, lists_store=True))

    for number in ROUNDS:
        drive.put("/from", str(number).encode() * 3)
        at_once(
            lambda n=number: drive.copy("/from", f"/to{n}"),
            lambda: drive.delete("/from"),
            clean,
            lambda n=number: drive.put(f"/put{n}", str(n).encode() * 4),
            clean,
        )
        assert drive.findings(deep=True) == []
    clean()
    assert len(list(drive.blobs.list())) == len({row.etag for row in drive.rows()} - {""})


def test_of_publishing_and_claiming_a_blob_only_one_happens(drive):
    for number in ROUNDS:
        staged = uploads.stage(drive.blobs, BytesIO(b"x" * (number + 1)))
        published, discarded = at_once(
            lambda s=staged, n=number: drive.write(
                publishing.publish, **drive.at(f"/f{n}"), staged=s
            ),
            lambda s=staged: uploads.discard(drive.database, drive.blobs, s),
        )
        assert discarded == isinstance(published, StoreError)


@pytest.mark.parametrize("act", ["move", "copy"])
def test_transfers_between_spaces_in_both_directions_do_not_block(drive, act):
    mailbox_id = drive.database.write(lambda tx: make_mailbox(tx, drive.account_id))
    space = drive.database.write(
        lambda tx: spaces.ensure(tx, account_id=drive.account_id, mailbox_id=mailbox_id)
    )
    other = Tree(space)
    function = getattr(transfer, act)
    for number in ROUNDS:
        drive.put(f"/here{number}", b"1")
        drive.put(f"/there{number}", b"2", tree=other)
        outcomes = at_once(
            lambda n=number: drive.write(
                function, **drive.at(f"/here{n}"), target=Path.parse(f"/x{n}"), target_tree=other
            ),
            lambda n=number: drive.write(
                function, **drive.at(f"/there{n}", other), target=Path.parse(f"/y{n}"),
                target_tree=drive.tree,
            ),
        )  # fmt: skip
        assert kinds(outcomes) == ["Transferred"] * 2
