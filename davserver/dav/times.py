"""Times as WebDAV writes and reads them: HTTP dates, ISO dates, seconds since 1970.

A listing renders one or two of them per entry, so both renderers are look-ups in tables: the day
is remembered, the time of day is joined from two precomputed pieces.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NAMES = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MONTHS = {name.lower(): number for number, name in enumerate(_MONTH_NAMES, start=1)}

_HOUR_AND_MINUTE = tuple(f"{at // 60:02d}:{at % 60:02d}:" for at in range(24 * 60))
_HTTP_SECOND = tuple(f"{second:02d} GMT" for second in range(60))
_ISO_SECOND = tuple(f"{second:02d}Z" for second in range(60))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)  # where Windows begins to count
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
_WHOLE_SECONDS = re.compile(r"-?[0-9]{1,12}")

_TIME_OF_DAY = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# RFC 9110 §5.6.7: the form to send, and two that only old software sends but all must read.
# Cyberduck writes UTC where the grammar says GMT.
_HTTP_DATES = (
    re.compile(
        rf"[a-z]{{3}}, ?(?P<day>\d\d?) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) "
        rf"{_TIME_OF_DAY} (?:gmt|utc|\+0000)",
        re.IGNORECASE | re.ASCII,
    ),
    re.compile(
        rf"[a-z]{{6,9}}, (?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME_OF_DAY} gmt",
        re.IGNORECASE | re.ASCII,
    ),
    re.compile(
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_TIME_OF_DAY} (?P<year>\d{{4}})",
        re.IGNORECASE | re.ASCII,
    ),
)


def http_date(moment: datetime) -> str:
    """Return a UTC time as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7)."""
    minute = _HOUR_AND_MINUTE[moment.hour * 60 + moment.minute]
    return f"{_http_day(moment.toordinal())}{minute}{_HTTP_SECOND[moment.second]}"


def iso_date(moment: datetime) -> str:
    """Return a UTC time as `1994-11-06T08:49:37Z`, the form of creationdate (RFC 4918 §15.1)."""
    minute = _HOUR_AND_MINUTE[moment.hour * 60 + moment.minute]
    return f"{_iso_day(moment.toordinal())}{minute}{_ISO_SECOND[moment.second]}"


@lru_cache(maxsize=4096)
def _http_day(ordinal: int) -> str:
    day = datetime.fromordinal(ordinal)
    name = _DAY_NAMES[day.weekday()]
    return f"{name}, {day.day:02d} {_MONTH_NAMES[day.month - 1]} {day.year:04d} "


@lru_cache(maxsize=4096)
def _iso_day(ordinal: int) -> str:
    day = datetime.fromordinal(ordinal)
    return f"{day.year:04d}-{day.month:02d}-{day.day:02d}T"


def parse_http_date(text: str | None) -> datetime | None:
    """Read an HTTP date in any of its three forms; None for everything else.

    RFC 9110 §13.1.3 and §13.1.4 want a condition with an unreadable date to be ignored.
    """
    for form in _HTTP_DATES:
        if found := form.fullmatch((text or "").strip()):
            return _moment(found)
    return None


def _moment(found: re.Match[str]) -> datetime | None:
    month = _MONTHS.get(found["month"].lower())
    if month is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        # RFC 9110 §5.6.7 counts from "now"; a fixed window keeps this a function of its input.
        year += 1900 if year >= 70 else 2000
    clock = (int(found["hour"]), int(found["minute"]), min(int(found["second"]), 59))
    try:
        return datetime(year, month, int(found["day"]), *clock, tzinfo=UTC)
    except ValueError:
        return None


def parse_seconds(text: str | None) -> datetime | None:
    """Read whole seconds since 1970, as `X-OC-Mtime` has them; None for everything else.

    Times before 1601 or after 9999 are nonsense (milliseconds taken for seconds, most often).
    Sync clients that get a refusal instead would never finish, so nonsense is None as well.
    """
    digits = (text or "").strip()
    if _WHOLE_SECONDS.fullmatch(digits) is None:
        return None
    try:
        moment = _EPOCH + timedelta(seconds=int(digits))
    except OverflowError:
        return None
    return moment if _EARLIEST <= moment <= _LATEST else None
