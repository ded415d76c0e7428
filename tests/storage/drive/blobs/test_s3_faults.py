"""What only a store across a network can do wrong, done to it by a proxy before a simulated S3.

The promise is always the same: mended by trying again, or else a clean error in bounded time, with
nothing left in the store.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pytest

from storage.clock import monotonic
from storage.drive.blobs.s3 import S3Blobs
from storage.errors import OverQuota, Unavailable
from tests import faulty_s3
from tests.byte_sources import BreakingSource, GeneratedSource
from tests.faulty_s3 import EVERY_TIME, FaultyS3
from tests.real_s3 import s3_config
from tests.storage.drive.blobs.s3_acts import (
    CONTENT,
    IMPATIENT,
    LASTING,
    SOON_SECONDS,
    THREE_PARTS,
    read_all,
    sha256,
)

LATER = datetime(2999, 1, 1, tzinfo=UTC)


PASSING = {
    "500": faulty_s3.answer(500, "InternalError"),
    "503": faulty_s3.answer(503, "SlowDown"),
    "reset": faulty_s3.reset,
    "lost-answer": faulty_s3.reset_after,
    "stall": faulty_s3.stall,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
class TestAFaultThatPasses:
    @pytest.mark.parametrize("operation", ["begin", "part", "complete"])
    def test_is_not_noticed_by_a_long_put(self, blobs, faulty, fault, operation: str):
        faulty.plan(operation, fault)
        source = GeneratedSource(THREE_PARTS)
        ref = blobs.put(source)
        assert source.digest.digest() == sha256(read_all(blobs, ref))

    def test_is_not_noticed_by_a_short_put(self, blobs, faulty, fault):
        faulty.plan("put", fault)
        assert read_all(blobs, blobs.put(BytesIO(CONTENT))) == CONTENT

    def test_is_not_noticed_by_a_get(self, blobs, faulty, fault):
        ref = blobs.put(BytesIO(CONTENT))
        faulty.plan("get", fault)
        assert read_all(blobs, ref) == CONTENT


def test_a_begin_whose_answer_was_lost_leaves_no_second_upload(blobs, faulty, moto, bucket: str):
    faulty.plan("begin", faulty_s3.reset_after)
    ref = blobs.put(GeneratedSource(THREE_PARTS))
    assert moto.leftovers(bucket) == [ref.key]


def test_a_listing_is_tried_again(blobs, faulty):
    ref = blobs.put(BytesIO(CONTENT))
    faulty.plan("list", faulty_s3.reset)
    assert [entry.key for entry in blobs.list()] == [ref.key]


def test_a_delete_is_tried_again(blobs, faulty):
    ref = blobs.put(BytesIO(CONTENT))
    faulty.plan("delete", faulty_s3.reset_after)
    blobs.delete(ref.key)
    assert list(blobs.list()) == []


PUTS = [
    ("put", len(CONTENT)),
    ("begin", THREE_PARTS),
    ("part", THREE_PARTS),
    ("complete", THREE_PARTS),
]


@pytest.mark.parametrize(("operation", "size"), PUTS, ids=[name for name, _ in PUTS])
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_a_put_under_a_fault_that_lasts_is_unavailable_soon_and_leaves_nothing(
    blobs, faulty, moto, bucket: str, operation: str, size: int, fault
):
    faulty.plan(operation, fault, times=EVERY_TIME)
    started = monotonic()
    with pytest.raises(Unavailable):
        blobs.put(GeneratedSource(size))
    took = monotonic() - started
    assert (took < SOON_SECONDS, moto.leftovers(bucket)) == (True, [])


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("get", lambda blobs, ref: blobs.open(ref)),
        ("head", lambda blobs, ref: blobs.open(ref, length=0)),
        ("list", lambda blobs, ref: list(blobs.list())),
        ("delete", lambda blobs, ref: blobs.delete(ref.key)),
        ("list uploads", lambda blobs, ref: blobs.sweep_unfinished(started_before=LATER)),
    ],
    ids=["open", "open-nothing", "list", "delete", "sweep"],
)
@pytest.mark.parametrize("fault", [LASTING["500"], LASTING["stall"]], ids=["500", "stall"])
def test_other_acts_under_a_fault_that_lasts_are_unavailable_soon(
    blobs, faulty, operation: str, act, fault
):
    ref = blobs.put(BytesIO(CONTENT))
    faulty.plan(operation, fault, times=EVERY_TIME)
    started = monotonic()
    with pytest.raises(Unavailable):
        act(blobs, ref)
    assert monotonic() - started < SOON_SECONDS


def test_a_listing_that_is_no_xml_is_unavailable(blobs, faulty):
    faulty.plan("list", faulty_s3.garble, times=EVERY_TIME)
    with pytest.raises(Unavailable):
        list(blobs.list())


@pytest.mark.parametrize(
    ("operation", "size"), [("put", len(CONTENT)), ("part", THREE_PARTS)], ids=["short", "long"]
)
class TestBytesThatChangeOnTheWay:
    def test_are_sent_again(self, blobs, faulty, operation: str, size: int):
        faulty.plan(operation, faulty_s3.corrupt_and_compare)
        source = GeneratedSource(size)
        assert sha256(read_all(blobs, blobs.put(source))) == source.digest.digest()

    def test_are_unavailable_when_they_always_do(
        self, blobs, faulty, moto, bucket: str, operation: str, size: int
    ):
        faulty.plan(operation, faulty_s3.corrupt_and_compare, times=EVERY_TIME)
        with pytest.raises(Unavailable):
            blobs.put(GeneratedSource(size))
        assert moto.leftovers(bucket) == []

    def test_are_refused_by_a_real_server(self, rclone, chance, operation: str, size: int):
        bucket = rclone.new_bucket()
        with FaultyS3(rclone.url) as faulty:
            blobs = S3Blobs(s3_config(faulty.url, bucket, **IMPATIENT), random=chance)
            faulty.plan(operation, faulty_s3.corrupt, times=EVERY_TIME)
            with pytest.raises(Unavailable):
                blobs.put(GeneratedSource(size))
            blobs.close()
        assert rclone.leftovers(bucket) == []


def test_a_complete_that_failed_in_its_body_is_tried_again(blobs, faulty):
    faulty.plan("complete", faulty_s3.complete_badly)
    source = GeneratedSource(THREE_PARTS)
    assert sha256(read_all(blobs, blobs.put(source))) == source.digest.digest()


def test_a_complete_that_always_fails_in_its_body_leaves_nothing(blobs, faulty, moto, bucket):
    faulty.plan("complete", faulty_s3.complete_badly, times=EVERY_TIME)
    with pytest.raises(Unavailable):
        blobs.put(GeneratedSource(THREE_PARTS))
    assert moto.leftovers(bucket) == []


def test_a_put_whose_every_answer_is_lost_leaves_nothing(blobs, faulty, moto, bucket):
    faulty.plan("put", faulty_s3.reset_after, times=EVERY_TIME)
    with pytest.raises(Unavailable):
        blobs.put(BytesIO(CONTENT))
    assert moto.leftovers(bucket) == []


def test_a_full_store_is_over_quota(blobs, faulty, moto, bucket):
    faulty.plan("part", faulty_s3.answer(507, "XMinioStorageFull"), times=EVERY_TIME)
    with pytest.raises(OverQuota):
        blobs.put(GeneratedSource(THREE_PARTS))
    assert moto.leftovers(bucket) == []


def test_what_the_source_raised_wins_over_trouble_in_cleaning_up(blobs, faulty):
    faulty.plan("abort", faulty_s3.answer(500, "InternalError"), times=EVERY_TIME)
    faulty.plan("delete", faulty_s3.reset, times=EVERY_TIME)
    with pytest.raises(ConnectionResetError):
        blobs.put(BreakingSource(THREE_PARTS, ConnectionResetError("hung up")))
