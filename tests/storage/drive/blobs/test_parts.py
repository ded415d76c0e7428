"""How a stream is cut: limits of S3 that no test can reach by sending bytes."""

from __future__ import annotations

from io import BytesIO
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.drive.blobs.parts import plan_part_sizes, read_parts
from storage.errors import OverQuota
from tests.byte_sources import MIB, BreakingSource, ShortReads

GIB = 1024 * MIB


def test_a_planned_upload_has_parts_of_one_size():
    assert set(plan_part_sizes(8 * MIB, 5000 * GIB)) == {569 * MIB}


@pytest.mark.parametrize("gib", [0, 1, 70, 71, 5 * 1024])
def test_a_planned_upload_fits_into_nine_thousand_parts(gib: int):
    assert sum(islice(plan_part_sizes(8 * MIB, gib * GIB), 9000)) >= gib * GIB


def test_a_small_planned_upload_has_parts_as_configured():
    assert next(plan_part_sizes(8 * MIB, GIB)) == 8 * MIB


def test_an_unplanned_upload_begins_with_parts_as_configured():
    assert set(islice(plan_part_sizes(8 * MIB, None), 4000)) == {8 * MIB}


def test_an_unplanned_upload_takes_hundreds_of_gib():
    assert sum(plan_part_sizes(8 * MIB, None)) > 380 * GIB


def test_an_unplanned_upload_never_needs_parts_over_128_mib():
    assert max(plan_part_sizes(8 * MIB, None)) == 128 * MIB


@pytest.mark.parametrize("expected_size", [None, 0, 5000 * GIB])
def test_no_upload_has_more_than_ten_thousand_parts(expected_size: int | None):
    assert sum(1 for _ in plan_part_sizes(8 * MIB, expected_size)) == 10_000


@given(
    content=st.binary(max_size=300),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=20).map(sorted),
    longest=st.integers(1, 50),
)
def test_parts_that_fit_hold_the_whole_stream_and_only_the_last_is_short(content, sizes, longest):
    sizes = [*sizes, 300]
    parts = list(read_parts(ShortReads(content, longest=longest), iter(sizes)))
    assert b"".join(part.body.read() for part in parts) == content
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert [part.size for part in parts[:-1]] == sizes[: len(parts) - 1]
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))


def test_a_stream_without_bytes_is_one_empty_part():
    (part,) = read_parts(BytesIO(), iter([5]))
    assert (part.size, part.is_last) == (0, True)


def test_a_stream_beyond_all_parts_is_over_quota():
    with pytest.raises(OverQuota):
        list(read_parts(BytesIO(b"x" * 11), iter([5, 5])))


def test_a_stream_that_just_fits_is_whole():
    assert sum(part.size for part in read_parts(BytesIO(b"x" * 10), iter([5, 5]))) == 10


def test_a_source_that_breaks_is_heard():
    with pytest.raises(ConnectionResetError):
        list(read_parts(BreakingSource(7, ConnectionResetError()), iter([5, 5])))
