"""Every home of bytes, made ready to be held to the one contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from storage.drive.blobs import BlobStore
from storage.drive.blobs.disk import DiskBlobs
from storage.drive.blobs.memory import MemoryBlobs
from storage.drive.blobs.s3 import S3Blobs
from tests.real_s3 import S3Server, s3_config
from tests.real_s3 import rclone as rclone


@dataclass
class Home:
    """A store, and a way to look behind it: what is stored, whole or not; and to empty it."""

    blobs: BlobStore
    leftovers: Callable[[], list[str]]
    empty: Callable[[], None] = lambda: None


@pytest.fixture
def disk_home(tmp_path: Path, chance) -> Home:
    return _disk(tmp_path / "blobs", chance, sync=True)


@pytest.fixture
def relaxed_disk_home(tmp_path: Path, chance) -> Home:
    return _disk(tmp_path / "blobs", chance, sync=False)


@pytest.fixture
def memory_home(clock, chance) -> Home:
    blobs = MemoryBlobs(clock=clock, random=chance)
    return Home(blobs, lambda: [entry.key for entry in blobs.list()])


@pytest.fixture(scope="session")
def shared_s3_home(rclone: S3Server) -> Iterator[Home]:
    # Opening a store costs more than most tests do with it: the vendor's library reads long tables.
    bucket = rclone.new_bucket()
    chance = Random(20260301).randbytes
    blobs = S3Blobs(s3_config(rclone.url, bucket, prefix="drive/"), random=chance)
    yield Home(blobs, lambda: rclone.leftovers(bucket), lambda: rclone.empty(bucket))
    blobs.close()


@pytest.fixture
def s3_home(shared_s3_home: Home) -> Iterator[Home]:
    yield shared_s3_home
    shared_s3_home.empty()


@pytest.fixture(
    params=["disk", "relaxed_disk", "memory", pytest.param("s3", marks=pytest.mark.timeout(300))]
)
def home(request: pytest.FixtureRequest) -> Home:
    """Each home in turn."""
    return request.getfixturevalue(f"{request.param}_home")


@pytest.fixture
def blobs(home: Home) -> BlobStore:
    return home.blobs


def _disk(root: Path, chance, *, sync: bool) -> Home:
    def leftovers() -> list[str]:
        return [path.name for path in root.rglob("*") if path.is_file()]

    return Home(DiskBlobs(root, random=chance, sync=sync), leftovers)
