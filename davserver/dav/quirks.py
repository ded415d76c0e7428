"""One function per habit of a known client that no RFC covers, each with its source and its test.

Where a habit is met by what the RFCs allow anyway, it is met there and has no row here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from davserver.dav.proppatch import PropertyChange
from davserver.dav.times import parse_http_date, parse_seconds
from davserver.dav.xmlnames import MICROSOFT, dav

_RCLONE_TIME: Final = dav("lastmodified")
_LIVE_TIME: Final = dav("getlastmodified")
_WINDOWS_TIME: Final = f"{{{MICROSOFT}}}Win32LastModifiedTime"

TIME_PROPERTIES: Final = frozenset({_RCLONE_TIME, _LIVE_TIME, _WINDOWS_TIME})
"""What clients set by PROPPATCH when they mean the time of change."""


def time_asked_for(change: PropertyChange) -> datetime | None:
    """Return the time that a PROPPATCH sets; None when it sets none, or none that can be read.

    rclone sets `{DAV:}lastmodified` to whole seconds, and uploads the file a second time when that
    is refused (rclone/rclone:backend/webdav/webdav.go). Windows copies a file's time by
    `Win32LastModifiedTime` (MS-WDVME). Others set the live property itself.
    Test: test_quirks.py, test_the_time_of_change_is_read_from_each_spelling.
    """
    if change.is_removal or change.name not in TIME_PROPERTIES:
        return None
    return parse_http_date(change.text) or parse_seconds(change.text)


def is_kept_as_dead(name: str) -> bool:
    """Tell whether a time that was set is also stored, to be read back as it was sent.

    Windows expects its own properties to be there afterwards (MS-WDVME); rclone never asks for
    the one that it sets.
    Test: test_quirks.py, test_only_the_property_of_windows_is_read_back.
    """
    return name == _WINDOWS_TIME


def is_side_file(name: str) -> bool:
    """Tell whether Finder made a file for itself; a setting hides those from listings.

    They are stored, locked and read like any other: refusing them breaks a copy with error −36
    (apple-oss-distributions/webdavfs:mount.tproj/webdav_file.c).
    Test: test_quirks.py, test_side_files_of_finder_are_known_by_name.
    """
    return name.startswith("._") or name == ".DS_Store"


OPTIONS_HEADERS: Final = (
    ("DAV", "1, 2, 3, extended-mkcol"),
    # Without it Windows and Office do not take a server for one that can be written to
    # (MS-WDVSE). Test: test_quirks.py, test_options_tell_windows_that_it_may_write.
    ("MS-Author-Via", "DAV"),
)
"""What OPTIONS answers everywhere, beside Allow. No token names Nextcloud: npm webdav and Remotely
Save would switch to its chunking at once."""
