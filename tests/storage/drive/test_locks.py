"""The lock rule, compared over every short path with a second, naive one; and taking locks."""

import itertools

import pytest
from sqlalchemy import delete, insert

from storage.audit import Actor, list_events
from storage.drive import locking, locks, nodes
from storage.drive.conditions import Expected, IfList, StateIs
from storage.drive.locks import Reach
from storage.drive.paths import Path
from storage.drive.tables import locks as locks_table
from storage.errors import Changed, Locked, NotAllowed, NotFound, ParentMissing

SHORT = [Path(names) for depth in range(4) for names in itertools.product("ab", repeat=depth)]


def with_token(*tokens):
    return {"expected": Expected(lock_tokens=frozenset(tokens))}


@pytest.fixture
def every_short_path(drive):
    """Folders at every path of up to three names out of two."""
    for path in SHORT[1:]:
        drive.mkdir(str(path))
    return drive


# --- The naive rule: paths compared with paths --------------------------------------------


def stands_in_the_way(lock_path, is_deep, act, path):
    if lock_path == path and act != "make":
        return True  # a resource's own lock guards its content and its removal
    if is_deep and path.is_within(lock_path) and path != lock_path:
        return True  # an infinite lock guards all below it
    if act in ("make", "remove") and not path.is_root and lock_path == path.parent:
        return True  # any lock on a folder guards who its members are
    return act == "remove" and lock_path.is_within(path)  # a tree goes with all its locks


def reach_of(chain, act):
    if act == "content":
        return Reach.of_content(chain)
    return Reach.of_removal(chain) if act == "remove" else Reach.of_member(chain)


@pytest.mark.parametrize("is_deep", [True, False])
def test_the_rule_agrees_with_the_naive_one_on_every_short_path(every_short_path, is_deep):
    drive = every_short_path

    def act(tx):
        wrong = []
        chains = {path: nodes.find(tx, tree=drive.tree, path=path) for path in SHORT}
        for lock_path in SHORT:
            values = {
                "token": "t", "space_id": drive.space.id, "node_id": chains[lock_path].node.id,
                "scope": "exclusive", "depth": "infinity" if is_deep else "0",
                "device_id": drive.phone.id, "created_at": tx.now,
                "expires_at": tx.now.replace(year=2099),
            }  # fmt: skip
            tx.connection.execute(insert(locks_table).values(values))
            for path, what in itertools.product(SHORT[1:], ("content", "make", "remove")):
                reach = reach_of(chains[path], what)
                found = locks.find_reaching(tx, reach, space_id=drive.space.id)
                if bool(found) != stands_in_the_way(lock_path, is_deep, what, path):
                    wrong.append((str(lock_path), what, str(path), bool(found)))
            tx.connection.execute(delete(locks_table))
        return wrong

    assert drive.database.write(act) == []


@pytest.mark.parametrize("kinds", list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize("depths", list(itertools.product([True, False], repeat=2)))
def test_two_locks_get_along_only_where_the_naive_rule_says_so(every_short_path, kinds, depths):
    drive = every_short_path
    paths = [path for path in SHORT if len(path.names) < 3]
    for first, second in itertools.product(paths, repeat=2):
        meet = (
            first == second
            or (depths[0] and second.is_within(first))
            or (depths[1] and first.is_within(second))
        )
        token = drive.lock(str(first), is_exclusive=kinds[0], is_deep=depths[0]).lock.token
        try:
            other = drive.lock(
                str(second), is_exclusive=kinds[1], is_deep=depths[1], actor=drive.laptop
            )
            was_granted = True
            drive.unlock(str(second), other.lock.token, actor=drive.laptop)
        except Locked:
            was_granted = False
        assert was_granted == (not meet or not any(kinds)), (first, second)
        drive.unlock(str(first), token)


# --- What a lock stops --------------------------------------------------------------------


def test_only_its_token_opens_a_locked_file_and_only_to_its_device(drive):
    drive.put("/f", b"1")
    token = drive.lock("/f").lock.token
    with pytest.raises(Locked) as refusal:
        drive.put("/f", b"2")
    assert refusal.value.paths == ("f",)
    with pytest.raises(Locked):
        drive.put("/f", b"2", actor=drive.laptop, **with_token(token))
    drive.put("/f", b"2", **with_token(token))
    for act in (lambda: drive.delete("/f"), lambda: drive.move("/f", "/g")):
        with pytest.raises(Locked):
            act()


def test_a_failed_write_to_a_locked_file_leaves_it(drive):
    drive.put("/f", b"1")
    drive.lock("/f")
    with pytest.raises(Locked):
        drive.put("/f", b"2", actor=drive.laptop)
    assert (drive.read("/f"), len(list(drive.blobs.list()))) == (b"1", 1)


def test_one_of_several_shared_locks_is_enough(drive):
    drive.put("/f", b"1")
    mine = drive.lock("/f", is_exclusive=False).lock.token
    drive.lock("/f", is_exclusive=False, actor=drive.laptop)
    with pytest.raises(Locked):
        drive.put("/f", b"2")
    drive.put("/f", b"2", **with_token(mine))


def test_a_shallow_lock_guards_the_members_of_a_folder_not_their_content(drive):
    drive.mkdir("/d")
    drive.put("/d/f", b"1")
    token = drive.lock("/d", is_deep=False, actor=drive.laptop).lock.token
    drive.put("/d/f", b"2")
    for act in (
        lambda: drive.put("/d/new", b"1"),
        lambda: drive.delete("/d/f"),
        lambda: drive.move("/d/f", "/g"),
        lambda: drive.copy("/d/f", "/d/g"),
        lambda: drive.lock("/d/new"),
    ):
        with pytest.raises(Locked):
            act()
    assert drive.names("/d") == ["f"]  # no ghost of the refused lock
    drive.put("/d/new", b"1", actor=drive.laptop, **with_token(token))


def test_a_lock_below_guards_the_tree_against_removal(drive):
    drive.mkdir("/d")
    drive.mkdir("/e")
    drive.put("/d/f", b"1")
    token = drive.lock("/d/f").lock.token
    for act in (
        lambda: drive.delete("/d"),
        lambda: drive.move("/d", "/x"),
        lambda: drive.copy("/e", "/d"),
    ):
        with pytest.raises(Locked):
            act()
    drive.copy("/d", "/x")
    assert drive.lock("/x/f").lock.token != token  # locks are not copied
    drive.delete("/d", **with_token(token))


@pytest.mark.parametrize("act", ["move", "delete"])
def test_locks_end_when_what_they_are_on_goes(drive, act):
    drive.mkdir("/d")
    drive.put("/d/f", b"1")
    token = drive.lock("/d/f").lock.token
    if act == "move":
        drive.move("/d", "/e", **with_token(token))
        drive.put("/e/f", b"2")
    else:
        drive.delete("/d", **with_token(token))
    assert drive.database.read(locking.list_locks) == []


# --- Taking, refreshing, releasing --------------------------------------------------------


def test_locking_what_is_not_there_makes_an_empty_file(drive):
    granted = drive.lock("/new", owner_xml="<o/>")
    assert granted.is_new
    assert drive.read("/new") == b""
    assert granted.lock.token.startswith("urn:uuid:")
    assert granted.lock.owner_xml == "<o/>"


def test_locking_in_a_missing_folder_is_refused(drive):
    with pytest.raises(ParentMissing):
        drive.lock("/no/new")


def test_a_refused_lock_on_nothing_leaves_nothing(drive):
    drive.mkdir("/d")
    drive.lock("/d", actor=drive.laptop)
    with pytest.raises(Locked) as refusal:
        drive.lock("/d/new")
    assert refusal.value.paths == ("d/",)
    assert drive.names("/d") == []


def test_nobody_asks_for_longer_than_the_longest(drive, clock):
    for seconds in (None, 10**9):
        granted = drive.lock("/f", timeout_seconds=seconds)
        assert (granted.lock.expires_at - clock()).total_seconds() == 3600
        drive.unlock("/f", granted.lock.token)


def test_an_expired_lock_stands_in_nobodys_way(drive, clock):
    token = drive.lock("/f", timeout_seconds=60).lock.token
    clock.advance(seconds=60)
    drive.put("/f", b"1", actor=drive.laptop)
    drive.lock("/f", actor=drive.laptop)
    with pytest.raises(NotFound):
        drive.unlock("/f", token)


def refresh(drive, path, token, **more):
    return drive.write(
        locking.refresh, **drive.at(path), tokens={token}, longest_seconds=3600, **more
    )


def test_a_refreshed_lock_runs_anew_also_from_a_member(drive, clock):
    drive.mkdir("/d")
    drive.put("/d/f", b"1")
    token = drive.lock("/d", timeout_seconds=60).lock.token
    clock.advance(seconds=50)
    lock = refresh(drive, "/d/f", token, timeout_seconds=60)
    assert (lock.token, (lock.expires_at - clock()).total_seconds()) == (token, 60)


def test_others_refresh_and_release_nothing(drive):
    token = drive.lock("/f").lock.token
    with pytest.raises(Changed):
        refresh(drive, "/f", token, actor=drive.laptop)
    with pytest.raises(NotAllowed):
        drive.unlock("/f", token, actor=drive.laptop)
    drive.put("/g", b"1")
    with pytest.raises(NotFound):
        drive.unlock("/g", token)


def test_only_devices_take_locks(drive):
    with pytest.raises(NotAllowed):
        drive.lock("/f", actor=Actor(type="user", id=1, label="alice"))


def test_an_admin_breaks_a_lock_of_their_own_account_only(drive, bob):
    token = drive.lock("/f").lock.token
    root = Actor(type="system", id=None, label="root")
    with pytest.raises(NotFound):
        drive.write(locking.break_lock, token=token, account_id=bob.account_id, actor=root)
    lock = drive.write(locking.break_lock, token=token, account_id=drive.account_id, actor=root)
    assert lock.href == "f"
    drive.put("/f", b"1", actor=drive.laptop)


def test_locks_leave_audit_rows(drive):
    token = drive.lock("/f").lock.token
    drive.unlock("/f", token)
    released, taken, *_ = drive.database.read(lambda tx: list_events(tx))
    assert (taken["action"], released["action"]) == ("drive:lock:taken", "drive:lock:released")


def test_a_member_shows_the_infinite_lock_above_it(drive):
    drive.mkdir("/d")
    drive.put("/d/f & g", b"1")
    drive.lock("/d")
    shown = drive.database.read(
        lambda tx: locks.list_covering(tx, chain=nodes.find(tx, **drive.at("/d/f & g")))
    )
    assert [lock.href for lock in shown] == ["d/"]


def test_locks_of_members_come_by_member(drive):
    drive.mkdir("/d")
    drive.put("/d/f & g", b"1")
    drive.lock("/d/f & g")
    folder, file = drive.find("/d"), drive.find("/d/f & g")
    found = drive.database.read(
        lambda tx: locks.list_of_members(tx, space_id=drive.space.id, folder_id=folder.id)
    )
    assert [lock.href for lock in found[file.id]] == ["d/f%20%26%20g"]


# --- The If header ------------------------------------------------------------------------


def expect(*lists, tokens=()):
    return Expected(lists=lists, lock_tokens=frozenset(tokens))


def test_one_list_of_the_if_header_is_enough_and_all_of_it_must_hold(drive):
    etag = drive.put("/f", b"1").node.etag
    token = drive.lock("/f").lock.token
    right, wrong = StateIs(etag, is_etag=True), StateIs("no", is_etag=True)
    held, free = StateIs(token), StateIs("DAV:no-lock")
    for lists in (
        (IfList((held,)),),
        (IfList((wrong,)), IfList((held, right))),
        (IfList((held, StateIs("DAV:no-lock", is_negated=True))),),
    ):
        drive.put("/f", b"1", expected=expect(*lists, tokens=[token]))
    for lists in ((IfList((held, wrong)),), (IfList((free,)),)):
        with pytest.raises(Changed):
            drive.put("/f", b"1", expected=expect(*lists, tokens=[token]))


def test_a_list_about_another_resource_is_judged_there(drive):
    drive.put("/f", b"1")
    etag = drive.put("/g", b"2").node.etag
    about = {"tree": drive.tree, "path": Path.parse("/g")}
    drive.put("/f", b"1", expected=expect(IfList((StateIs(etag, is_etag=True),), **about)))
    with pytest.raises(Changed):
        drive.put("/f", b"1", expected=expect(IfList((StateIs("no", is_etag=True),), **about)))


def test_nothing_is_at_a_resource_that_is_not_ours(drive):
    elsewhere = {"tree": None, "path": Path.parse("/f")}
    etag = drive.put("/f", b"1").node.etag
    with pytest.raises(Changed):
        drive.put("/f", b"2", expected=expect(IfList((StateIs(etag, is_etag=True),), **elsewhere)))


def test_an_infinite_lock_covers_what_is_not_there_yet(drive):
    drive.mkdir("/d")
    token = drive.lock("/d").lock.token
    drive.put("/d/new", b"1", expected=expect(IfList((StateIs(token),)), tokens=[token]))


def test_office_saves_by_moving_a_locked_temporary_file_over_the_original(drive):
    drive.put("/doc", b"old")
    drive.put("/tmp", b"new")
    token = drive.lock("/tmp").lock.token
    drive.move("/tmp", "/doc", expected=expect(IfList((StateIs(token),)), tokens=[token]))
    assert drive.read("/doc") == b"new"
