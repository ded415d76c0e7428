"""Conditional requests, in RFC 9110 §13.2.2's order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.conditions import (
    Representation,
    Verdict,
    evaluate,
    parse_preconditions,
)
from davserver.dav.etags import ETag, ETagList, parse_etag, parse_etag_list
from davserver.dav.times import http_date

MODIFIED = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
HERE = Representation("e1", MODIFIED)
L = http_date(MODIFIED)
EARLIER = http_date(MODIFIED - timedelta(seconds=1))
LATER = http_date(MODIFIED + timedelta(seconds=1))

GO, SAME, FAILED, FULL = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED, Verdict.FULL


def verdict(headers: dict[str, str], current: Representation | None, *, is_read: bool) -> Verdict:
    environ = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    return evaluate(parse_preconditions(environ), current, is_read=is_read)


@pytest.mark.parametrize(
    ("headers", "on_read", "on_write", "on_missing"),
    [
        pytest.param({}, GO, GO, GO, id="nothing asked"),
        pytest.param({"If-Match": '"e1"'}, GO, GO, FAILED, id="the tag"),
        pytest.param({"If-Match": '"x", "e1"'}, GO, GO, FAILED, id="the tag in a list"),
        pytest.param({"If-Match": '"x"'}, FAILED, FAILED, FAILED, id="another tag"),
        pytest.param({"If-Match": 'W/"e1"'}, FAILED, FAILED, FAILED, id="weak is not enough"),
        pytest.param({"If-Match": "*"}, GO, GO, FAILED, id="anything"),
        pytest.param({"If-Match": "e1"}, FAILED, FAILED, FAILED, id="unquoted never matches"),
        pytest.param({"If-Match": ""}, FAILED, FAILED, FAILED, id="an empty list"),
        pytest.param({"If-None-Match": '"e1"'}, SAME, FAILED, GO, id="known already"),
        pytest.param({"If-None-Match": 'W/"e1"'}, SAME, FAILED, GO, id="known, weak"),
        pytest.param({"If-None-Match": '"x"'}, GO, GO, GO, id="not known"),
        pytest.param({"If-None-Match": "*"}, SAME, FAILED, GO, id="only if new"),
        pytest.param({"If-None-Match": "JoplinIgnore-3"}, GO, GO, GO, id="Joplin's junk"),
        pytest.param({"If-None-Match": 'junk, "e1"'}, SAME, FAILED, GO, id="junk beside a tag"),
        pytest.param({"If-None-Match": '"unclosed'}, GO, GO, GO, id="an open quote"),
        pytest.param({"If-Modified-Since": L}, SAME, GO, GO, id="equal date: Finder"),
        pytest.param({"If-Modified-Since": LATER}, SAME, GO, GO, id="later date"),
        pytest.param({"If-Modified-Since": EARLIER}, GO, GO, GO, id="earlier date"),
        pytest.param({"If-Modified-Since": "junk"}, GO, GO, GO, id="no date"),
        pytest.param({"If-Unmodified-Since": L}, GO, GO, GO, id="unmodified"),
        pytest.param({"If-Unmodified-Since": EARLIER}, FAILED, FAILED, GO, id="modified"),
        pytest.param({"If-Unmodified-Since": "junk"}, GO, GO, GO, id="no date either"),
        pytest.param(
            {"If-Match": '"e1"', "If-Unmodified-Since": EARLIER}, GO, GO, FAILED,
            id="If-Match goes before If-Unmodified-Since",
        ),
        pytest.param(
            {"If-None-Match": '"x"', "If-Modified-Since": LATER}, GO, GO, GO,
            id="If-None-Match goes before If-Modified-Since",
        ),
        pytest.param(
            {"If-None-Match": '"e1"', "If-Modified-Since": LATER}, SAME, FAILED, GO,
            id="both fit",
        ),
        pytest.param(
            {"If-Match": '"x"', "If-None-Match": '"e1"'}, FAILED, FAILED, FAILED,
            id="412 goes before 304",
        ),
    ],
)  # fmt: skip
def test_conditions_are_evaluated_as_the_rfc_orders(headers, on_read, on_write, on_missing):
    assert verdict(headers, HERE, is_read=True) is on_read
    assert verdict(headers, HERE, is_read=False) is on_write
    assert verdict(headers, None, is_read=False) is on_missing


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        ('"e1"', GO),
        ('W/"e1"', FULL),
        ('"x"', FULL),
        (L, GO),
        (LATER, FULL),
        (EARLIER, FULL),
        ("junk", FULL),
    ],
)
def test_a_range_is_dropped_when_the_file_is_another(if_range: str, expected: Verdict):
    headers = {"If-Range": if_range, "Range": "bytes=0-1"}
    assert verdict(headers, HERE, is_read=True) is expected


def test_if_range_without_a_range_means_nothing():
    assert verdict({"If-Range": '"x"'}, HERE, is_read=True) is GO


def test_not_modified_goes_before_if_range():
    headers = {"If-None-Match": '"e1"', "If-Range": '"x"', "Range": "bytes=0-1"}
    assert verdict(headers, HERE, is_read=True) is SAME


def test_only_a_star_asks_for_a_new_file():
    assert parse_preconditions({"HTTP_IF_NONE_MATCH": "*"}).wants_new
    assert not parse_preconditions({"HTTP_IF_NONE_MATCH": '"*"'}).wants_new
    assert parse_preconditions({}).is_empty
    assert not parse_preconditions({"HTTP_IF_MATCH": "junk"}).is_empty


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ('"a"', [ETag("a")]),
        ('"a","b"', [ETag("a"), ETag("b")]),
        (' "a" , W/"b" ', [ETag("a"), ETag("b", is_weak=True)]),
        ('"a, b"', [ETag("a, b")]),
        ('""', [ETag("")]),
        ('w/"a"', [ETag("a", is_weak=True)]),
        ('junk, "a", more junk', [ETag("a")]),
        ('junk "a"', []),
        ("", []),
        (",,,", []),
    ],
)
def test_lists_of_tags_keep_what_is_a_tag(value: str, tags: list[ETag]):
    assert parse_etag_list(value) == ETagList(tags=tuple(tags))


@given(st.text(max_size=40))
def test_no_list_of_tags_is_an_error(value: str):
    assert parse_etag_list(value) is not None


@given(st.lists(st.from_regex(r'(W/)?"[!#-~ ]{0,8}"', fullmatch=True), max_size=5))
def test_well_formed_lists_are_read_whole(tags: list[str]):
    parsed = parse_etag_list(", ".join(tags))
    assert parsed is not None
    assert [str(tag) for tag in parsed.tags] == tags


def test_what_is_no_tag_is_none():
    assert parse_etag("a") is None
    assert parse_etag('"a"b"') is None
