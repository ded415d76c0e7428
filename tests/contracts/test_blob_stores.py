"""What every home of bytes promises. A new home is added in conftest.py, and held to all of it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.drive.blobs import BlobReader, BlobRef, BlobStore
from storage.errors import Invalid, NotFound, Unavailable
from tests.byte_sources import MIB, BreakingSource, GeneratedSource, ShortReads

PART = 5 * MIB  # what the S3 home of these tests sends at once
CONTENT = b"Alice's bytes"
MISSING = BlobRef("0" * 32, 13)


def read_all(reader: BlobReader, *, size: int = MIB) -> bytes:
    pieces = []
    try:
        while piece := reader.read(size):
            assert len(piece) <= size
            pieces.append(piece)
    finally:
        reader.close()
    return b"".join(pieces)


def hash_of(reader: BlobReader) -> str:
    digest = hashlib.sha256()
    try:
        while piece := reader.read(MIB):
            digest.update(piece)
    finally:
        reader.close()
    return digest.hexdigest()


@pytest.mark.parametrize(
    "size",
    [0, 1, 256 * 1024, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1],
    ids=["empty", "1", "chunk", "part-1", "part", "part+1", "2parts", "2parts+1"],
)
@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "unannounced"])
def test_a_put_of_any_size_reads_back_the_same(blobs: BlobStore, size: int, is_announced: bool):
    source = GeneratedSource(size)
    ref = blobs.put(source, expected_size=size if is_announced else None)
    assert (ref.size, hash_of(blobs.open(ref))) == (size, source.digest.hexdigest())


def test_a_stream_of_many_parts_reads_back_the_same(blobs: BlobStore):
    source = GeneratedSource(6 * PART + 12345)
    assert hash_of(blobs.open(blobs.put(source))) == source.digest.hexdigest()


@pytest.mark.slow
def test_a_stream_of_200_mib_reads_back_the_same(blobs: BlobStore):
    source = GeneratedSource(200 * MIB)
    ref = blobs.put(source, expected_size=200 * MIB)
    assert hash_of(blobs.open(ref)) == source.digest.hexdigest()


@pytest.mark.parametrize("announced", [0, 1, 100 * MIB], ids=["zero", "too-few", "too-many"])
def test_a_wrong_announcement_changes_nothing_that_is_stored(blobs: BlobStore, announced: int):
    ref = blobs.put(BytesIO(CONTENT), expected_size=announced)
    assert (ref.size, read_all(blobs.open(ref))) == (len(CONTENT), CONTENT)


def test_a_source_that_gives_few_bytes_at_a_time_is_read_to_its_end(blobs: BlobStore):
    content = bytes(range(256)) * 40
    assert read_all(blobs.open(blobs.put(ShortReads(content, longest=9)))) == content


def test_a_source_with_uneven_reads_fills_parts_evenly(blobs: BlobStore):
    content = bytes(range(256)) * (2 * PART // 256 + 7)
    assert read_all(blobs.open(blobs.put(ShortReads(content, longest=60_000)))) == content


@pytest.mark.parametrize(
    "size", [0, 1, PART + 1, 3 * PART], ids=["at-once", "first-byte", "second-part", "third-part"]
)
@pytest.mark.parametrize(
    "error",
    [ConnectionResetError("the client hung up"), NotFound("ours"), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
class TestPutThatBreaks:
    def test_gives_on_what_the_source_raised(
        self, blobs: BlobStore, size: int, error: BaseException
    ):
        with pytest.raises(type(error)) as caught:
            blobs.put(BreakingSource(size, error))
        assert caught.value is error

    def test_leaves_nothing(self, home, size: int, error: BaseException):
        with pytest.raises(type(error)):
            home.blobs.put(BreakingSource(size, error))
        assert home.leftovers() == []


SIZE = 1000
EDGES = [0, 1, 499, SIZE - 1, SIZE, SIZE + 1, 5 * SIZE]


def test_a_range_reads_what_a_slice_would_give(blobs: BlobStore):
    content = bytes(range(250)) * 4
    ref = blobs.put(BytesIO(content))
    ranges = [(start, length) for start in EDGES for length in (None, *EDGES)]
    wrong = [
        (start, length)
        for start, length in ranges
        if read_all(blobs.open(ref, start=start, length=length))
        != content[start : None if length is None else start + length]
    ]
    assert wrong == []


@pytest.mark.parametrize("length", [None, 0, 5], ids=["all", "none", "some"])
@pytest.mark.parametrize("start", [0, 5])
def test_a_range_of_an_empty_blob_is_empty(blobs: BlobStore, start: int, length: int | None):
    ref = blobs.put(BytesIO(b""))
    assert read_all(blobs.open(ref, start=start, length=length)) == b""


def test_a_range_across_parts_reads_what_a_slice_would_give(blobs: BlobStore):
    content = bytes(range(251)) * (2 * PART // 251 + 1)
    ref = blobs.put(BytesIO(content))
    found = read_all(blobs.open(ref, start=PART - 3, length=PART + 6))
    assert found == content[PART - 3 : 2 * PART + 3]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=5000), data=st.data())
def test_any_bytes_and_any_range_read_back_as_slices(blobs: BlobStore, content: bytes, data):
    start = data.draw(st.integers(0, len(content) + 10), label="start")
    length = data.draw(st.none() | st.integers(0, len(content) + 10), label="length")
    piece = data.draw(st.integers(1, 6000), label="bytes per read")
    ref = blobs.put(BytesIO(content))
    found = read_all(blobs.open(ref, start=start, length=length), size=piece)
    assert found == content[start : None if length is None else start + length]


def test_a_reader_at_its_end_stays_there(blobs: BlobStore):
    reader = blobs.open(blobs.put(BytesIO(CONTENT)))
    reader.read(100)
    assert [reader.read(100), reader.read(100)] == [b"", b""]
    reader.close()


def test_a_reader_may_be_closed_before_its_end(blobs: BlobStore):
    ref = blobs.put(GeneratedSource(2 * PART))
    reader = blobs.open(ref)
    reader.read(1)
    reader.close()
    assert hash_of(blobs.open(ref)) == hash_of(blobs.open(ref, start=0, length=2 * PART))


def test_a_reader_may_be_closed_twice(blobs: BlobStore):
    reader = blobs.open(blobs.put(BytesIO(CONTENT)))
    reader.close()
    reader.close()


@pytest.mark.parametrize(("start", "length"), [(0, None), (0, 0), (5, 2), (50, 2)])
def test_a_missing_blob_is_not_found(blobs: BlobStore, start: int, length: int | None):
    with pytest.raises(NotFound):
        blobs.open(MISSING, start=start, length=length)


HOSTILE_KEYS = {
    "absolute": "/etc/hostname",
    "upwards": "../../../etc/hostname",
    "dots": "..",
    "empty": "",
    "upper-case": "A" * 32,
    "too-short": "0" * 31,
    "too-long": "0" * 33,
    "line-end": "0" * 32 + "\n",
    "slash-inside": "00/" + "0" * 29,
    "zero-byte": "0" * 31 + "\0",
}


@pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS)
class TestWhatIsNoKey:
    def test_is_not_found(self, blobs: BlobStore, key: str):
        with pytest.raises(NotFound):
            blobs.open(BlobRef(key, 5))

    def test_is_not_found_when_nothing_of_it_is_asked_for(self, blobs: BlobStore, key: str):
        with pytest.raises(NotFound):
            blobs.open(BlobRef(key, 5), length=0)

    def test_is_given_no_address(self, blobs: BlobStore, key: str):
        with pytest.raises(NotFound):
            blobs.presign(BlobRef(key, 5), expires_seconds=60)

    def test_may_be_deleted_and_takes_nothing_with_it(self, home, key: str):
        ref = home.blobs.put(BytesIO(CONTENT))
        home.blobs.delete(key)
        assert [entry.key for entry in home.blobs.list()] == [ref.key]


@pytest.mark.parametrize("size", [0, len(CONTENT) - 1, len(CONTENT) + 1, 5 * PART])
@pytest.mark.parametrize(
    ("start", "length"), [(0, None), (0, 0), (1, None), (2, 3), (100, 1)], ids=str
)
def test_a_blob_of_another_size_is_damaged_not_short(
    blobs: BlobStore, size: int, start: int, length: int | None, caplog: pytest.LogCaptureFixture
):
    key = blobs.put(BytesIO(CONTENT)).key
    with pytest.raises(Unavailable, match="damaged"):
        blobs.open(BlobRef(key, size), start=start, length=length)
    assert key in caplog.text


@pytest.mark.parametrize(("start", "length"), [(-1, None), (-1, 5), (0, -1), (5, -5)], ids=str)
def test_a_negative_range_is_invalid(blobs: BlobStore, start: int, length: int | None):
    ref = blobs.put(BytesIO(CONTENT))
    with pytest.raises(Invalid):
        blobs.open(ref, start=start, length=length)


def test_a_deleted_blob_is_not_found(blobs: BlobStore):
    ref = blobs.put(BytesIO(CONTENT))
    blobs.delete(ref.key)
    with pytest.raises(NotFound):
        blobs.open(ref)


def test_a_blob_may_be_deleted_twice(blobs: BlobStore):
    ref = blobs.put(BytesIO(CONTENT))
    blobs.delete(ref.key)
    blobs.delete(ref.key)
    assert list(blobs.list()) == []


def test_a_blob_that_never_was_may_be_deleted(blobs: BlobStore):
    blobs.delete(MISSING.key)
    assert list(blobs.list()) == []


def test_deleting_one_blob_leaves_the_others(blobs: BlobStore):
    kept, gone = blobs.put(BytesIO(CONTENT)), blobs.put(BytesIO(CONTENT))
    blobs.delete(gone.key)
    assert read_all(blobs.open(kept)) == CONTENT


def test_the_same_bytes_put_twice_are_two_blobs(blobs: BlobStore):
    assert blobs.put(BytesIO(CONTENT)).key != blobs.put(BytesIO(CONTENT)).key


def test_an_empty_store_lists_nothing(blobs: BlobStore):
    assert list(blobs.list()) == []


def test_a_listing_tells_every_key_and_size_once(blobs: BlobStore):
    put = [blobs.put(GeneratedSource(size)) for size in (0, 1, PART + 1)]
    listed = [(entry.key, entry.size) for entry in blobs.list()]
    assert sorted(listed) == sorted((ref.key, ref.size) for ref in put)


def test_a_listing_tells_times_with_their_zone(blobs: BlobStore):
    blobs.put(BytesIO(CONTENT))
    assert [entry.modified_at.utcoffset() for entry in blobs.list()] == [timedelta(0)]


def test_a_listing_of_many_blobs_is_whole(blobs: BlobStore):
    count = 1050  # S3 gives a thousand per page
    with ThreadPoolExecutor(8) as threads:
        put = list(threads.map(lambda _: blobs.put(BytesIO(b"")).key, range(count)))
    assert sorted(entry.key for entry in blobs.list()) == sorted(put)


def test_a_listing_survives_deletes_of_what_it_gives(blobs: BlobStore):
    for _ in range(5):
        blobs.put(BytesIO(CONTENT))
    for entry in blobs.list():
        blobs.delete(entry.key)
    assert list(blobs.list()) == []


def test_many_threads_at_once_each_read_their_own_bytes(blobs: BlobStore):
    def put_and_read(number: int) -> bool:
        content = bytes([number]) * (number * 10_000 + (PART + 1 if number % 5 == 0 else 0))
        ref = blobs.put(ShortReads(content, longest=70_000))
        found = read_all(blobs.open(ref))
        if number % 2:
            blobs.delete(ref.key)
        return found == content

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(put_and_read, range(24)))
    assert len(list(blobs.list())) == 12


def test_many_readers_of_one_blob_do_not_disturb_each_other(blobs: BlobStore):
    source = GeneratedSource(PART + 1)
    ref = blobs.put(source)
    with ThreadPoolExecutor(8) as threads:
        hashes = set(threads.map(lambda _: hash_of(blobs.open(ref)), range(8)))
    assert hashes == {source.digest.hexdigest()}


def test_a_check_leaves_nothing(home):
    home.blobs.check()
    assert home.leftovers() == []


def test_a_sweep_of_unfinished_uploads_spares_whole_blobs(blobs: BlobStore):
    ref = blobs.put(BytesIO(CONTENT))
    swept = blobs.sweep_unfinished(started_before=datetime(2999, 1, 1, tzinfo=UTC))
    assert (swept, read_all(blobs.open(ref))) == (0, CONTENT)


def test_a_home_without_an_address_signs_none(home, request: pytest.FixtureRequest):
    ref = home.blobs.put(BytesIO(CONTENT))
    is_reachable = request.node.callspec.params["home"] == "s3"
    assert (home.blobs.presign(ref, expires_seconds=60) is not None) == is_reachable
