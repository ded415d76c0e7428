"""What the tests of the S3 home share: how much is put, how long it may take, how it is read."""

from __future__ import annotations

import hashlib

from storage.drive.blobs import BlobRef
from storage.drive.blobs.s3 import S3Blobs
from tests import faulty_s3
from tests.byte_sources import MIB

CONTENT = b"Alice's bytes" * 1000
THREE_PARTS = 11 * MIB
SOON_SECONDS = 15.0  # for two tries, each with its time-out and pause; a hang takes far longer
IMPATIENT = {"attempts": 2, "connect_timeout_seconds": 1.0}

LASTING = {
    "500": faulty_s3.answer(500, "InternalError"),
    "503": faulty_s3.answer(503, "SlowDown"),
    "refused": faulty_s3.answer(403, "AccessDenied"),
    "reset": faulty_s3.reset,
    "stall": faulty_s3.stall,
}


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def read_all(blobs: S3Blobs, ref: BlobRef, **section: int) -> bytes:
    reader = blobs.open(ref, **section)
    try:
        return b"".join(iter(lambda: reader.read(MIB), b""))
    finally:
        reader.close()
