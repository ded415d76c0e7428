"""Which home a configuration opens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage.drive.blobs.disk import DiskBlobs
from storage.drive.blobs.memory import MemoryBlobs
from storage.drive.blobs.opening import open_blobs
from storage.drive.blobs.s3 import S3Blobs
from storage.sections import BlobsConfig

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("settings", "home"),
    [
        ({"kind": "disk"}, DiskBlobs),
        ({"kind": "memory"}, MemoryBlobs),
        ({"kind": "s3", "bucket": "b", "endpoint_url": "http://127.0.0.1:1"}, S3Blobs),
    ],
    ids=["disk", "memory", "s3"],
)
def test_the_kind_names_the_home(settings, home: type, tmp_path: Path, clock, chance):
    config = BlobsConfig(path=tmp_path / "blobs", **settings)
    blobs = open_blobs(config, sync=True, clock=clock, random=chance)
    blobs.close()
    assert type(blobs) is home


def test_a_drive_on_disk_never_loads_the_library_for_s3():
    program = "import sys, storage.drive.blobs.opening; print('boto3' in sys.modules)"
    said = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=CHECKOUT)
    assert said.strip() == "False"
