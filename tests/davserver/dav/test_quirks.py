from datetime import UTC, datetime

import pytest

from davserver.dav.proppatch import PropertyChange
from davserver.dav.quirks import (
    OPTIONS_HEADERS,
    is_kept_as_dead,
    is_side_file,
    time_asked_for,
)
from davserver.dav.xmlnames import dav

TIME = datetime(2020, 1, 1, tzinfo=UTC)
WINDOWS = "{urn:schemas-microsoft-com:}Win32LastModifiedTime"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (dav("lastmodified"), "1577836800"),
        (dav("getlastmodified"), "Wed, 01 Jan 2020 00:00:00 GMT"),
        (dav("getlastmodified"), "1577836800"),
        (WINDOWS, "Wed, 01 Jan 2020 00:00:00 GMT"),
    ],
)
def test_the_time_of_change_is_read_from_each_spelling(name: str, text: str):
    assert time_asked_for(PropertyChange(name, "<x/>", text)) == TIME


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (dav("lastmodified"), "soon"),
        ("{SAR:}lastmodified", "Wed, 01 Jan 2020 00:00:00 UTC"),
        ("{urn:schemas-microsoft-com:}Win32CreationTime", "Wed, 01 Jan 2020 00:00:00 GMT"),
    ],
)
def test_nothing_else_sets_the_time(name: str, text: str):
    assert time_asked_for(PropertyChange(name, "<x/>", text)) is None


def test_removing_a_time_sets_none():
    assert time_asked_for(PropertyChange(dav("lastmodified"), None, "1577836800")) is None


def test_only_the_property_of_windows_is_read_back():
    assert is_kept_as_dead(WINDOWS)
    assert not is_kept_as_dead(dav("lastmodified"))
    assert not is_kept_as_dead(dav("getlastmodified"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("._a.txt", True), ("._", True), (".DS_Store", True), (".hidden", False), ("a._b", False)],
)
def test_side_files_of_finder_are_known_by_name(name: str, expected: bool):
    assert is_side_file(name) is expected


def test_options_tell_windows_that_it_may_write():
    headers = dict(OPTIONS_HEADERS)
    assert headers["MS-Author-Via"] == "DAV"
    assert {"1", "2", "3"} <= set(headers["DAV"].split(", "))
    assert "nextcloud" not in headers["DAV"]
