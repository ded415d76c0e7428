import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.headers import (
    Depth,
    Preferences,
    parse_depth,
    parse_length,
    parse_lock_token,
    parse_overwrite,
    parse_prefer,
    parse_timeout,
)
from storage.errors import Invalid

TOKEN = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.mark.parametrize(
    ("value", "depth"),
    [
        (None, None),
        ("0", Depth.ZERO),
        ("1", Depth.ONE),
        ("infinity", Depth.INFINITY),
        ("Infinity", Depth.INFINITY),
        (" 1 ", Depth.ONE),
    ],
)
def test_depth_is_read_in_any_letter_case(value: str | None, depth: Depth | None):
    assert parse_depth(value) is depth


@pytest.mark.parametrize("value", ["", "2", "-1", "01", "1,noroot", "infinite", "0 1"])
def test_a_strange_depth_is_refused(value: str):
    with pytest.raises(Invalid, match="Depth must be"):
        parse_depth(value)


@pytest.mark.parametrize(
    ("value", "overwrite"),
    [(None, True), ("T", True), ("t", True), ("F", False), ("f", False), (" F ", False)],
)
def test_overwrite_is_true_unless_it_says_f(value: str | None, overwrite: bool):
    assert parse_overwrite(value) is overwrite


@pytest.mark.parametrize("value", ["", "yes", "true", "0", "FT"])
def test_a_strange_overwrite_is_refused_lest_a_file_is_lost(value: str):
    with pytest.raises(Invalid):
        parse_overwrite(value)


@pytest.mark.parametrize(
    ("value", "granted"),
    [
        (None, 600),
        ("Second-1800", 1800),
        ("second-1800", 1800),
        ("Second-3600", 3600),
        ("Second-99999", 3600),
        ("Infinite", 3600),
        ("Infinite, Second-4100000000", 3600),
        ("Second-100, Infinite", 100),
        ("Extend, Second-100", 100),
        ("Second-0", 1),
        ("Second--5", 600),
        ("Second-1.5", 600),
        ("Second-" + "9" * 50, 600),
        ("nonsense", 600),
        ("", 600),
    ],
)
def test_timeout_grants_the_first_readable_wish_within_bounds(value: str | None, granted: int):
    assert parse_timeout(value, default_seconds=600, longest_seconds=3600) == granted


@given(st.text(max_size=60))
def test_no_timeout_is_refused_or_exceeds_the_longest(value: str):
    assert 1 <= parse_timeout(value, default_seconds=600, longest_seconds=3600) <= 3600


@pytest.mark.parametrize("value", [f"<{TOKEN}>", TOKEN, f" <{TOKEN}> ", f"< {TOKEN} >"])
def test_a_lock_token_is_read_with_and_without_brackets(value: str):
    assert parse_lock_token(value) == TOKEN


def test_a_missing_lock_token_is_none():
    assert parse_lock_token(None) is None


@pytest.mark.parametrize(
    "value",
    ["", "<>", "<a> <b>", f"<{TOKEN}", f"{TOKEN}>", "a b", "<a\x00>", "<" + "a" * 256 + ">"],
)
def test_a_strange_lock_token_is_refused(value: str):
    with pytest.raises(Invalid):
        parse_lock_token(value)


@pytest.mark.parametrize(
    ("value", "preferences"),
    [
        (None, Preferences()),
        ("", Preferences()),
        ("return=minimal", Preferences(is_minimal=True)),
        ('Return="minimal"', Preferences(is_minimal=True)),
        ("return = minimal", Preferences(is_minimal=True)),
        ("return=representation", Preferences()),
        ("return=representation, return=minimal", Preferences()),
        ("return=minimal; foo=bar, wait=10", Preferences(is_minimal=True)),
        ("depth-noroot", Preferences(is_without_root=True)),
        ("depth-noroot, return=minimal", Preferences(True, True)),
        ("handling=lenient, , ;;=", Preferences()),
    ],
)
def test_preferences_are_heeded_where_known(value: str | None, preferences: Preferences):
    assert parse_prefer(value) == preferences


def test_preference_applied_names_what_was_both_asked_and_done():
    both = Preferences(is_minimal=True, is_without_root=True)
    assert both.applied("return=minimal", "depth-noroot") == "return=minimal, depth-noroot"
    assert both.applied("return=minimal") == "return=minimal"
    assert Preferences(is_minimal=True).applied("depth-noroot") == ""


@pytest.mark.parametrize(
    ("value", "length"), [(None, None), ("0", 0), (" 65538 ", 65538), (str(2**63 - 1), 2**63 - 1)]
)
def test_a_length_is_a_number_of_bytes(value: str | None, length: int | None):
    assert parse_length(value, header="X-Expected-Entity-Length") == length


@pytest.mark.parametrize("value", ["", "-1", "+5", "1.0", "0x10", "1_0", "٣", str(2**63), "9" * 40])
def test_a_strange_length_is_refused_and_the_header_is_named(value: str):
    with pytest.raises(Invalid, match="OC-Total-Length"):
        parse_length(value, header="OC-Total-Length")
