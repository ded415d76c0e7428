"""Downloads from a store across a network: broken, dripping, or of other bytes than were put."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest

from storage.clock import monotonic
from storage.drive.blobs import BlobReader, BlobRef
from storage.drive.blobs.s3 import S3Blobs
from storage.errors import NotFound, Unavailable
from tests import faulty_s3
from tests.byte_sources import MIB, GeneratedSource
from tests.faulty_s3 import EVERY_TIME
from tests.real_s3 import s3_config
from tests.storage.drive.blobs.s3_acts import CONTENT, read_all, sha256


class TestADownloadThatBreaks:
    @pytest.fixture
    def ref(self, blobs) -> BlobRef:
        return blobs.put(BytesIO(CONTENT))

    @pytest.mark.parametrize("count", [0, 1, len(CONTENT) - 1], ids=["start", "first", "last"])
    @pytest.mark.parametrize("break_off", [faulty_s3.end_early, faulty_s3.stall_after])
    def test_goes_on_from_where_it_was(self, blobs, faulty, ref, break_off, count: int):
        faulty.plan("get", break_off(count))
        assert read_all(blobs, ref) == CONTENT

    def test_goes_on_inside_its_range(self, blobs, faulty, ref):
        faulty.plan("get", faulty_s3.end_early(500))
        assert read_all(blobs, ref, start=1000, length=4000) == CONTENT[1000:5000]

    def test_asks_only_for_the_rest(self, blobs, faulty, ref):
        faulty.plan("get", faulty_s3.end_early(5000))
        reader = blobs.open(ref, start=1000, length=7000)
        while reader.read(1000):
            pass
        reader.close()
        assert faulty.ranges == ["bytes=1000-7999", "bytes=6000-7999"]

    def test_is_unavailable_when_it_always_does(self, blobs, faulty, ref):
        faulty.plan("get", faulty_s3.end_early(5), times=EVERY_TIME)
        with pytest.raises(Unavailable):
            read_all(blobs, ref)

    def test_may_break_often_when_much_arrives_between(self, blobs, faulty):
        source = GeneratedSource(40 * MIB)
        ref = blobs.put(source)
        faulty.plan("get", faulty_s3.end_early(9 * MIB), times=4)
        assert sha256(read_all(blobs, ref)) == source.digest.digest()


def test_a_server_that_ignores_ranges_is_not_believed(blobs, faulty):
    ref = blobs.put(BytesIO(CONTENT))
    whole = faulty_s3.answer(200, "the whole")
    faulty.plan("get", whole, times=EVERY_TIME)
    with pytest.raises(Unavailable):
        blobs.open(ref, start=5)


def test_a_blob_that_vanishes_in_the_middle_of_a_read_is_not_found(blobs, faulty):
    ref = blobs.put(BytesIO(CONTENT))
    faulty.plan("get", faulty_s3.end_early(5))
    reader = blobs.open(ref)
    blobs.delete(ref.key)
    reader.read(5)
    with pytest.raises(NotFound):
        reader.read(5)
    reader.close()


class TestABlobThatWasCutShort:
    @pytest.fixture
    def ref(self, blobs, moto, bucket: str) -> BlobRef:
        ref = blobs.put(BytesIO(CONTENT))
        moto.raw_client.put_object(Bucket=bucket, Key=ref.key, Body=CONTENT[:-1])
        return ref

    @pytest.mark.parametrize(
        ("start", "length"),
        [(0, None), (0, 5), (5, None), (0, 0), (len(CONTENT) - 1, None)],
        ids=["whole", "first", "rest", "nothing", "lost-byte"],
    )
    def test_is_damaged_whatever_is_asked_of_it(self, blobs, ref, start: int, length: int | None):
        with pytest.raises(Unavailable, match="damaged"):
            blobs.open(ref, start=start, length=length)


class TestADownloadThatDrips:
    @pytest.fixture
    def blobs(self, faulty, bucket: str, chance) -> Iterator[S3Blobs]:
        budget = {"read_timeout_seconds": 0.4, "stall_timeout_seconds": 0.8, "attempts": 20}
        blobs = S3Blobs(s3_config(faulty.url, bucket, **budget), random=chance)
        yield blobs
        blobs.close()

    @pytest.fixture
    def reader(self, blobs, faulty) -> Iterator[BlobReader]:
        ref = blobs.put(BytesIO(CONTENT))
        faulty.plan("get", faulty_s3.drip(10))
        faulty.plan("get", faulty_s3.stall_after(0), times=EVERY_TIME)
        reader = blobs.open(ref)
        yield reader
        reader.close()

    def test_gives_its_pieces_as_they_come(self, reader: BlobReader):
        assert 0 < len(reader.read(100)) < 10

    def test_is_unavailable_soon_after_nothing_comes_any_more(self, reader: BlobReader):
        got = b""
        while len(got) < 10:
            got += reader.read(100)
        started = monotonic()
        with pytest.raises(Unavailable):
            reader.read(100)
        assert (got, monotonic() - started < 3) == (CONTENT[:10], True)
