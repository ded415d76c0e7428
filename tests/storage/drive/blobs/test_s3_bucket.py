"""What lies in a bucket beside whole blobs of ours, and who may fetch those."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime
from io import BytesIO

import pytest

from storage.drive.blobs.s3 import S3Blobs
from tests.real_s3 import S3Server, s3_config
from tests.storage.drive.blobs.s3_acts import CONTENT

LATER = datetime(2999, 1, 1, tzinfo=UTC)


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


def test_a_presigned_address_gives_the_bytes_to_anybody(blobs):
    address = blobs.presign(blobs.put(BytesIO(CONTENT)), expires_seconds=60)
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == CONTENT
