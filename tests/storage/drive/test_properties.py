import pytest

from storage.audit import list_events
from storage.drive import properties
from storage.drive.conditions import Expected
from storage.drive.properties import LARGEST_PROPERTY, Property
from storage.errors import Changed, Invalid, Locked, NotFound, TooLarge


def patch(drive, path, *instructions, **more):
    return drive.write(properties.patch, **drive.at(path), instructions=instructions, **more)


def kept(drive, path):
    node = drive.find(path)
    return drive.database.read(lambda tx: properties.list_of(tx, node_id=node.id))


A, B = Property("urn:x", "a", "<a/>"), Property("", "b", "<b/>")


def test_properties_are_set_replaced_and_removed_in_order(drive):
    drive.put("/f", b"1")
    patch(drive, "/f", A, B)
    assert kept(drive, "/f") == [B, A]
    patch(drive, "/f", Property("urn:x", "a", "<a>2</a>"), Property("", "b", None))
    assert kept(drive, "/f") == [Property("urn:x", "a", "<a>2</a>")]
    patch(drive, "/f", Property("urn:x", "a", None), A)
    assert kept(drive, "/f") == [A]


def test_properties_change_neither_etag_nor_time(drive, clock):
    before = drive.put("/f", b"1").node
    clock.advance(hours=1)
    after = patch(drive, "/f", A)
    assert (after.etag, after.mtime) == (before.etag, before.mtime)
    assert after.version > before.version


def test_a_folders_etag_survives_properties_below_it_its_version_does_not(drive):
    drive.mkdir("/d")
    drive.put("/d/f", b"1")
    before = drive.find("/d")
    patch(drive, "/d/f", A)
    after = drive.find("/d")
    assert (after.etag, after.version > before.version) == (before.etag, True)


def test_a_time_is_set_without_touching_the_etag(drive, clock):
    before = drive.put("/f", b"1").node
    then = clock().replace(year=2020)
    after = patch(drive, "/f", mtime=then)
    assert (after.mtime, after.etag) == (then, before.etag)


def test_the_top_of_a_drive_has_properties_too(drive):
    patch(drive, "/", A)
    assert kept(drive, "/") == [A]


@pytest.mark.parametrize(
    ("instructions", "error"),
    [
        pytest.param([A, Property("", "b", "x" * (LARGEST_PROPERTY + 1))], TooLarge, id="one"),
        pytest.param(
            [Property("", f"n{n}", "x" * LARGEST_PROPERTY) for n in range(17)],
            TooLarge,
            id="all together",
        ),
        pytest.param([A, Property("", "n" * 256, "<n/>")], Invalid, id="name"),
        pytest.param([A, Property("n" * 513, "n", "<n/>")], Invalid, id="namespace"),
    ],
)
def test_what_can_not_be_kept_changes_nothing(drive, instructions, error):
    drive.put("/f", b"1")
    with pytest.raises(error):
        patch(drive, "/f", *instructions)
    assert kept(drive, "/f") == []


def test_locks_and_conditions_hold(drive):
    drive.put("/f", b"1")
    with pytest.raises(Changed):
        patch(drive, "/f", A, expected=Expected(if_match=frozenset({"no"})))
    with pytest.raises(NotFound):
        patch(drive, "/no", A)
    drive.lock("/f")
    with pytest.raises(Locked):
        patch(drive, "/f", A)


def test_members_properties_come_in_one_query_by_member(drive):
    drive.mkdir("/d")
    for name in ("f", "g", "h"):
        drive.put(f"/d/{name}", b"1")
    patch(drive, "/d/f", A, B)
    patch(drive, "/d/g", B)
    folder = drive.find("/d")
    found = drive.database.read(
        lambda tx: properties.list_of_members(tx, space_id=drive.space.id, folder_id=folder.id)
    )
    assert found == {drive.find("/d/f").id: [B, A], drive.find("/d/g").id: [B]}


def test_patching_leaves_an_audit_row(drive):
    drive.put("/f", b"1")
    patch(drive, "/f", A)
    [event, *_] = drive.database.read(lambda tx: list_events(tx))
    assert event["action"] == "drive:properties:changed"
