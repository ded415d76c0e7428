"""A simulated S3, a proxy before it that fails on demand, and the S3 home that goes through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.drive.blobs.s3 import S3Blobs
from tests.faulty_s3 import FaultyS3
from tests.real_s3 import S3Server, s3_config, start_moto
from tests.real_s3 import rclone as rclone
from tests.storage.drive.blobs.s3_acts import IMPATIENT


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    server = start_moto()
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
    time_out = 0.5 if "stall" in request.node.name else 10.0
    config = s3_config(faulty.url, bucket, read_timeout_seconds=time_out, **IMPATIENT)
    blobs = S3Blobs(config, random=chance)
    yield blobs
    blobs.close()
