"""What only a store across a network can do wrong, done to it by a proxy before a simulated S3.

The promise is always the same: mended by trying again, or else a clean error in bounded time, with
nothing left in the store and no thread left here.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from storage.clock import monotonic
from storage.drive.blobs import BlobRef
from storage.drive.blobs.s3 import S3Blobs
from storage.errors import Misconfigured, NotFound, OverQuota, StoreError, Unavailable
from tests import faulty_s3
from tests.byte_sources import MIB, BreakingSource, GeneratedSource
from tests.faulty_s3 import EVERY_TIME, FaultyS3
from tests.real_s3 import S3Server, s3_config, start_moto, start_rclone

CHECKOUT = Path(__file__).parents[3]
CONTENT = b"Alice's bytes" * 1000
LATER = datetime(2999, 1, 1, tzinfo=UTC)
THREE_PARTS = 11 * MIB
SOON_SECONDS = 15.0  # for two tries, each with its time-out and pause; a hang takes far longer
IMPATIENT = {"attempts": 2, "connect_timeout_seconds": 1.0}


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = start_rclone(tmp_path_factory.mktemp("rclone"))
    yield server
    server.stop()


@pytest.fixture
def bucket(moto: S3Server) -> str:
    return moto.new_bucket()


@pytest.fixture
def faulty(moto: S3Server) -> Iterator[FaultyS3]:
    with FaultyS3(moto.url) as faulty:
        yield faulty


@pytest.fixture
def blobs(
    faulty: FaultyS3, bucket: str, chance, request: pytest.FixtureRequest
) -> Iterator[S3Blobs]:
    # Short where it is waited for; long elsewhere, as a busy machine may be slow to answer.
    time_out = 1.0 if "stall" in request.node.name else 10.0
    config = s3_config(faulty.url, bucket, read_timeout_seconds=time_out, **IMPATIENT)
    blobs = S3Blobs(config, random=chance)
    yield blobs
    blobs.close()


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def read_all(blobs: S3Blobs, ref: BlobRef, **section: int) -> bytes:
    reader = blobs.open(ref, **section)
    try:
        return b"".join(iter(lambda: reader.read(MIB), b""))
    finally:
        reader.close()


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


LASTING = {
    "500": faulty_s3.answer(500, "InternalError"),
    "503": faulty_s3.answer(503, "SlowDown"),
    "refused": faulty_s3.answer(403, "AccessDenied"),
    "reset": faulty_s3.reset,
    "stall": faulty_s3.stall,
    "no-xml": faulty_s3.garble,
}
PUTS = [
    ("put", len(CONTENT)),
    ("begin", THREE_PARTS),
    ("part", THREE_PARTS),
    ("complete", THREE_PARTS),
]


@pytest.mark.parametrize(("operation", "size"), PUTS, ids=[name for name, _ in PUTS])
@pytest.mark.parametrize(
    "fault",
    [fault for name, fault in LASTING.items() if name != "no-xml"],
    ids=[name for name in LASTING if name != "no-xml"],
)
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
    faulty.plan("list", LASTING["no-xml"], times=EVERY_TIME)
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


class TestAnUploadThatWasNeverAborted:
    @pytest.fixture
    def stray(self, moto: S3Server, bucket: str) -> None:
        moto.raw_client.create_multipart_upload(Bucket=bucket, Key="0" * 32)

    def test_is_not_listed(self, blobs, stray):
        assert list(blobs.list()) == []

    def test_is_swept(self, blobs, stray, moto, bucket):
        assert (blobs.sweep_unfinished(started_before=LATER), moto.leftovers(bucket)) == (1, [])

    def test_is_spared_while_it_may_be_running(self, blobs, stray):
        assert blobs.sweep_unfinished(started_before=datetime(2000, 1, 1, tzinfo=UTC)) == 0

    def test_is_spared_when_it_is_not_ours(self, blobs, moto, bucket):
        moto.raw_client.create_multipart_upload(Bucket=bucket, Key="holiday.mov")
        assert blobs.sweep_unfinished(started_before=LATER) == 0


def test_foreign_objects_in_the_bucket_are_not_listed(moto, bucket, chance):
    for name in ("holiday.mov", "drive/notes", "drive/sub/" + "0" * 32, "0" * 32):
        moto.raw_client.put_object(Bucket=bucket, Key=name, Body=b"not ours")
    blobs = S3Blobs(s3_config(moto.url, bucket, prefix="drive/"), random=chance)
    ref = blobs.put(BytesIO(CONTENT))
    assert [entry.key for entry in blobs.list()] == [ref.key]
    blobs.close()


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


class TestAWrongSetUp:
    @pytest.mark.parametrize(
        ("code", "setting"),
        [
            ("InvalidAccessKeyId", "access_key_id"),
            ("SignatureDoesNotMatch", "secret_access_key"),
            ("AccessDenied", "[blobs]"),
            ("AuthorizationHeaderMalformed", "region"),
        ],
    )
    def test_is_told_by_the_check_with_the_setting(self, blobs, faulty, code: str, setting: str):
        faulty.plan("put", faulty_s3.answer(403, code), times=EVERY_TIME)
        with pytest.raises(Misconfigured, match=setting.replace("[", r"\[")):
            blobs.check()

    def test_with_a_missing_bucket_is_told_by_the_check(self, moto, chance):
        blobs = S3Blobs(s3_config(moto.url, "no-such-bucket"), random=chance)
        with pytest.raises(Misconfigured, match="bucket"):
            blobs.check()
        blobs.close()

    def test_with_wrong_keys_is_told_by_the_check_of_a_real_server(self, rclone, chance):
        bucket = rclone.new_bucket()
        config = s3_config(rclone.url, bucket, secret_access_key="another-key")
        blobs = S3Blobs(config, random=chance)
        with pytest.raises(Misconfigured, match="secret_access_key"):
            blobs.check()
        blobs.close()

    def test_with_a_region_that_can_be_none_is_told_at_once(self, moto, chance):
        with pytest.raises(Misconfigured, match="region"):
            S3Blobs(s3_config(moto.url, "bucket", region="no region"), random=chance)

    def test_without_keys_is_told_by_the_check(self, moto, bucket, chance, monkeypatch, tmp_path):
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        config = s3_config(moto.url, bucket, access_key_id=None, secret_access_key=None)
        blobs = S3Blobs(config, random=chance)
        with pytest.raises(Misconfigured, match="access_key_id"):
            blobs.check()
        blobs.close()

    def test_at_run_time_is_unavailable_without_words_of_the_vendor(self, blobs, faulty):
        faulty.plan("get", faulty_s3.answer(403, "AccessDenied"), times=EVERY_TIME)
        with pytest.raises(Unavailable) as caught:
            blobs.open(BlobRef("0" * 32, 1))
        assert caught.value.message == "The blob store refuses this server; its log says why."


def test_a_presigned_address_gives_the_bytes_to_anybody(blobs):
    address = blobs.presign(blobs.put(BytesIO(CONTENT)), expires_seconds=60)
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == CONTENT


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
    config = s3_config(faulty.url, bucket, **IMPATIENT, connections=2)
    blobs = S3Blobs(config, random=chance)
    faulty.plan("part", faulty_s3.answer(403, "AccessDenied"), times=EVERY_TIME)
    for _ in range(4):
        with pytest.raises(Unavailable):
            blobs.put(GeneratedSource(THREE_PARTS))
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("s3-part")]
    blobs.close()
    assert len(ours) <= 2


# Prints how many bytes of memory a GiB there and back has taken beyond those of an idle store. The
# high-water mark is the kernel's for this program alone; ru_maxrss would begin with the parent's.
STREAMER = """
import re
import sys
from io import BytesIO
from pathlib import Path
from storage.drive.blobs.s3 import S3Blobs
from storage.randomness import system_random
from tests.byte_sources import MIB, GeneratedSource
from tests.real_s3 import s3_config

def kib(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

blobs = S3Blobs(s3_config(sys.argv[1], sys.argv[2], part_bytes=8 * MIB), random=system_random)
blobs.check()
idle = kib("VmRSS")
ref = blobs.put(GeneratedSource(1024 * MIB))
reader = blobs.open(ref)
while reader.read(MIB):
    pass
reader.close()
blobs.delete(ref.key)
blobs.close()
print((kib("VmHWM") - idle) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measured by the kernel's own words")
def test_a_gib_to_s3_and_back_takes_less_than_64_mib_of_memory(rclone):
    command = [sys.executable, "-c", STREAMER, rclone.url, rclone.new_bucket()]
    taken = int(subprocess.check_output(command, cwd=CHECKOUT))
    assert taken < 64 * MIB
