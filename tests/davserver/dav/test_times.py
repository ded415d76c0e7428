from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.times import http_date, iso_date, parse_http_date, parse_seconds

EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)

any_moment = st.datetimes(
    min_value=datetime(1601, 1, 1),  # noqa: DTZ001
    max_value=datetime(9999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(any_moment)
def test_http_dates_are_what_the_standard_library_writes(moment: datetime):
    assert http_date(moment) == format_datetime(moment, usegmt=True)


@given(any_moment)
def test_iso_dates_are_what_the_standard_library_writes(moment: datetime):
    plain = moment.replace(microsecond=0, tzinfo=None)
    assert iso_date(moment) == f"{plain.isoformat()}Z"


@given(any_moment)
def test_a_date_that_we_sent_is_read_back(moment: datetime):
    assert parse_http_date(http_date(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "  Sun, 06 Nov 1994 08:49:37 GMT ",
    ],
)
def test_every_form_of_an_http_date_is_read(text: str):
    assert parse_http_date(text) == EXAMPLE


@pytest.mark.parametrize(
    ("text", "year"),
    [("Monday, 01-Jan-70 00:00:00 GMT", 1970), ("Friday, 01-Jan-69 00:00:00 GMT", 2069)],
)
def test_two_digits_of_a_year_mean_1970_to_2069(text: str, year: int):
    moment = parse_http_date(text)
    assert moment is not None
    assert moment.year == year


def test_a_leap_second_counts_as_the_second_before():
    moment = parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT")
    assert moment == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "1994-11-06T08:49:37Z",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0200",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)
def test_what_is_no_http_date_is_none(text: str | None):
    assert parse_http_date(text) is None


@given(st.text(max_size=40))
def test_no_text_makes_reading_a_date_fail(text: str):
    parse_http_date(text)
    parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1577836800", datetime(2020, 1, 1, tzinfo=UTC)),
        (" 0 ", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-86400", datetime(1969, 12, 31, tzinfo=UTC)),
        ("4102444800", datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
def test_whole_seconds_are_a_time(text: str, moment: datetime):
    assert parse_seconds(text) == moment


@pytest.mark.parametrize(
    "text",
    [None, "", "abc", "1.5", "1e9", "+1", "1 2", "0x10", "--5", "1_000", "٣", "9" * 12, "9" * 99,
     "-99999999999", "1577836800000"],
)  # fmt: skip
def test_nonsense_for_a_time_is_ignored(text: str | None):
    assert parse_seconds(text) is None


@given(any_moment)
def test_seconds_are_exact(moment: datetime):
    whole = moment.replace(microsecond=0)
    seconds = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert parse_seconds(str(seconds)) == whole
