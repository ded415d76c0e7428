"""A store that is down or stands still: refused in bounded time, and no thread stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest

from storage.clock import monotonic
from storage.drive.blobs.s3 import S3Blobs
from storage.errors import StoreError, Unavailable
from tests import faulty_s3
from tests.byte_sources import MIB, GeneratedSource
from tests.faulty_s3 import EVERY_TIME, FaultyS3
from tests.real_s3 import s3_config
from tests.storage.drive.blobs.s3_acts import CONTENT, IMPATIENT, LASTING, SOON_SECONDS, THREE_PARTS

BUDGET_SECONDS = 1.0


class TestAStoreThatIsDown:
    @pytest.fixture
    def down(self, chance) -> Iterator[S3Blobs]:
        with FaultyS3("http://127.0.0.1:1") as faulty:
            url = faulty.url  # a port that was free a moment ago
        blobs = S3Blobs(s3_config(url, "bucket", **IMPATIENT), random=chance)
        yield blobs
        blobs.close()

    @pytest.mark.parametrize("size", [10, THREE_PARTS], ids=["short", "long"])
    def test_is_unavailable_soon(self, down: S3Blobs, size: int):
        started = monotonic()
        with pytest.raises(Unavailable):
            down.put(GeneratedSource(size))
        assert monotonic() - started < SOON_SECONDS

    def test_is_told_without_its_address(self, down: S3Blobs):
        with pytest.raises(Unavailable) as caught:
            down.put(BytesIO(CONTENT))
        assert caught.value.message == "The blob store does not answer."


class TestAStoreThatStallsForEverybody:
    """Ten uploads share two senders; none may wait for the time-outs of all the others."""

    @pytest.fixture
    def blobs(self, faulty, bucket: str, chance) -> Iterator[S3Blobs]:
        settings = {"read_timeout_seconds": 0.5, "stall_timeout_seconds": BUDGET_SECONDS}
        config = s3_config(faulty.url, bucket, **settings, attempts=4, connections=2)
        blobs = S3Blobs(config, random=chance)
        yield blobs
        blobs.close()

    @pytest.mark.parametrize("operation", ["part", "any"])
    def test_is_unavailable_to_all_of_them_soon(self, blobs, faulty, operation: str):
        faulty.plan(operation, faulty_s3.stall, times=EVERY_TIME)

        def time_put(_: int) -> float:
            started = monotonic()
            with pytest.raises(Unavailable):
                blobs.put(GeneratedSource(6 * MIB))
            return monotonic() - started

        with ThreadPoolExecutor(10) as threads:
            assert max(threads.map(time_put, range(10))) < 5 * BUDGET_SECONDS


def test_a_store_that_says_slow_down_is_unavailable_to_many_soon(blobs, faulty):
    faulty.plan("put", faulty_s3.answer(503, "SlowDown"), times=EVERY_TIME)

    def put(_: int) -> None:
        with pytest.raises(Unavailable):
            blobs.put(BytesIO(CONTENT))

    started = monotonic()
    with ThreadPoolExecutor(30) as threads:
        list(threads.map(put, range(30)))
    assert monotonic() - started < SOON_SECONDS


@pytest.mark.parametrize(
    "fault", [None, LASTING["500"], LASTING["stall"]], ids=["well", "500", "stall"]
)
def test_no_thread_stays_after_the_store_is_closed(moto, bucket, chance, fault):
    before = set(threading.enumerate())
    with FaultyS3(moto.url) as faulty:
        config = s3_config(faulty.url, bucket, read_timeout_seconds=1.0, **IMPATIENT)
        blobs = S3Blobs(config, random=chance)
        if fault is not None:
            faulty.plan("part", fault, times=EVERY_TIME)
        try:
            blobs.put(GeneratedSource(THREE_PARTS))
        except StoreError:
            assert fault is not None
        blobs.close()
    assert set(threading.enumerate()) <= before


def test_failed_puts_add_no_threads_beyond_the_connections(faulty, bucket, chance):
    before = set(threading.enumerate())
    config = s3_config(faulty.url, bucket, **IMPATIENT, connections=2)
    blobs = S3Blobs(config, random=chance)
    faulty.plan("part", faulty_s3.answer(403, "AccessDenied"), times=EVERY_TIME)
    for _ in range(4):
        with pytest.raises(Unavailable):
            blobs.put(GeneratedSource(THREE_PARTS))
    added = set(threading.enumerate()) - before
    ours = [thread for thread in added if thread.name.startswith("s3-part")]
    blobs.close()
    assert len(ours) <= 2
