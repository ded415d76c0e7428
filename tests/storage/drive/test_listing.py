import pytest

from storage.drive import listing, sharing


def rows_of(drive, path="/", **more):
    folder = drive.find(path)
    return drive.database.read(
        lambda tx: listing.list_members(tx, folder_id=folder.id, space_id=folder.space_id, **more)
    )


def test_members_come_with_names_for_urls_and_xml(drive):
    drive.put("/a & b.txt", b"1", content_type="text/plain")
    [row] = rows_of(drive)
    assert (row.name_href, row.name_xml) == ("a%20%26%20b.txt", "a &amp; b.txt")
    assert (row.kind, row.size, row.content_type) == ("file", 1, "text/plain")
    assert row.sha1 is not None


def test_a_plain_name_needs_no_second_form(drive):
    drive.put("/plain.txt", b"1")
    assert rows_of(drive)[0].name_xml is None


def test_clutter_is_hidden_when_asked_and_still_there_by_name(drive):
    for name in ("._a", ".DS_Store", ".hidden", "a", "_b"):
        drive.put(f"/{name}", b"1")
    shown = {row.name for row in rows_of(drive, hides_clutter=True)}
    assert shown == {".hidden", "a", "_b"}
    assert len(rows_of(drive)) == 5
    assert drive.find("/._a") is not None


def test_trashed_members_are_not_listed(drive):
    drive.put("/a", b"1")
    drive.delete("/a")
    assert rows_of(drive) == []


def test_a_shared_view_lists_shared_folders(drive):
    drive.mkdir("/open")
    drive.mkdir("/open/inner")
    drive.mkdir("/closed")
    drive.write(sharing.set_shared, **drive.at("/open"), is_shared=True)
    assert [row.name for row in rows_of(drive, shared_only=True)] == ["open"]
    top = drive.space.root_id
    below = drive.database.read(
        lambda tx: [row.href for row in listing.iter_below(tx, folder_id=top, shared_only=True)]
    )
    assert below == ["open/", "open/inner/"]


@pytest.mark.parametrize("path", ["/f", "/open/deep", "/"])
def test_only_top_level_folders_are_shared(drive, path):
    from storage.errors import Invalid

    drive.put("/f", b"1")
    drive.mkdir("/open")
    drive.mkdir("/open/deep")
    with pytest.raises(Invalid):
        drive.write(sharing.set_shared, **drive.at(path), is_shared=True)


def test_rows_come_one_by_one_from_a_cursor(drive):
    for number in range(5):
        drive.put(f"/{number}", b"")
    with drive.database.reading() as tx:
        rows = listing.iter_members(tx, folder_id=drive.space.root_id, space_id=drive.space.id)
        assert [row.name for row in rows] == ["0", "1", "2", "3", "4"]


def test_a_folder_tells_whether_more_is_below_than_wanted(drive):
    drive.mkdir("/a")
    drive.put("/a/b", b"")
    for limit, is_more in ((1, True), (2, False)):
        top = drive.space.root_id
        found = drive.database.read(
            lambda tx, limit=limit, top=top: listing.has_more_than(tx, folder_id=top, limit=limit)
        )
        assert found == is_more
