"""S3 servers that are started for the tests, each a process of its own on a free local port.

`start_rclone` is a real server over a folder; `start_moto` is a simulation, faster to refuse and
closer to AWS in its errors. The raw client looks into a bucket without the code under test. The
fixture `rclone` is for the conftest of whoever needs one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config as ClientConfig

from storage.sections import BlobsConfig

ACCESS_KEY_ID = "access-key"
SECRET_ACCESS_KEY = "secret-key"

_MIB = 1024 * 1024
_ADDRESS = re.compile(r"https?://127\.0\.0\.1:\d+")

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # a proxy can't reach these servers


@dataclass
class S3Server:
    """A running server, and what a test needs to know of it."""

    url: str
    process: subprocess.Popen[str]
    ca_bundle: Path | None = None

    def new_bucket(self) -> str:
        bucket = f"bucket-{secrets.token_hex(6)}"
        self.raw_client.create_bucket(Bucket=bucket)
        return bucket

    def empty(self, bucket: str) -> None:
        """Remove every object from the bucket, for the next test."""
        pages = self.raw_client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for page in tuple(pages):
            if found := [{"Key": each["Key"]} for each in page.get("Contents", ())]:
                self.raw_client.delete_objects(Bucket=bucket, Delete={"Objects": found})

    @cached_property
    def raw_client(self) -> Any:
        session = boto3.session.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name="us-east-1")
        return session.client(
            "s3",
            endpoint_url=self.url,
            verify=str(self.ca_bundle) if self.ca_bundle else None,
            config=ClientConfig(retries={"total_max_attempts": 5}),
        )

    def leftovers(self, bucket: str) -> list[str]:
        """Name every object and every unfinished upload in the bucket."""
        client = self.raw_client
        found = client.list_objects_v2(Bucket=bucket).get("Contents", [])
        with contextlib.suppress(client.exceptions.NoSuchUpload):  # rclone, when there are none
            found += client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return [each["Key"] for each in found]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def s3_config(url: str, bucket: str, **settings: Any) -> BlobsConfig:
    """The configuration for a bucket; parts are as small as S3 lets them be."""
    defaults = {
        "part_bytes": 5 * _MIB,
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
    }
    return BlobsConfig(kind="s3", endpoint_url=url, bucket=bucket, **(defaults | settings))


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real server for all tests of a worker process; each takes a bucket of its own."""
    server = start_rclone(tmp_path_factory.mktemp("rclone"))
    yield server
    server.stop()


def start_rclone(
    folder: Path, *, certificate: Path | None = None, key: Path | None = None
) -> S3Server:
    """Serve `folder`, whose sub-folders are the buckets; with a certificate, by TLS."""
    served = folder / "served"
    served.mkdir()
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    options = {
        "addr": "127.0.0.1:0",
        "auth-key": f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}",
        "config": str(folder / "none.conf"),
        "cache-dir": str(folder / "cache"),
    }
    if certificate is not None:
        options |= {"cert": str(certificate), "key": str(key)}
    flags = [f"--{name}={value}" for name, value in options.items()]
    server = _start([str(program), "serve", "s3", str(served), *flags])
    server.ca_bundle = certificate
    return server


def start_moto() -> S3Server:
    """Serve buckets from the memory of the simulation."""
    return _start([sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p0"])


def _start(command: list[str]) -> S3Server:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := _ADDRESS.search(line):
            # Read on, as a server whose log nobody reads stands still once the pipe is full.
            threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()
            return S3Server(found.group(), process)
    process.wait()
    raise AssertionError(f"{command[0]} has not started: {''.join(said)}")


def _drain(stream: Any) -> None:
    with stream:
        for _ in stream:
            pass
