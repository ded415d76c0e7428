"""Opens the home of bytes that the configuration names. Called once per process, after the fork."""

from __future__ import annotations

from storage.clock import Clock
from storage.drive.blobs import BlobStore
from storage.drive.blobs.disk import DiskBlobs
from storage.drive.blobs.memory import MemoryBlobs
from storage.randomness import RandomBytes
from storage.sections import BlobsConfig


def open_blobs(config: BlobsConfig, *, sync: bool, clock: Clock, random: RandomBytes) -> BlobStore:
    """Return the store of `config.kind`.

    `sync` is for the disk alone: S3 answers when the bytes are safe, and memory is never safe.
    Raises Misconfigured when the store can't be opened as it is set up.
    """
    if config.kind == "memory":
        return MemoryBlobs(clock=clock, random=random)
    if config.kind == "disk":
        return DiskBlobs(config.path, random=random, sync=sync)
    # Imported here, as the vendor's library takes a moment and memory that a disk never needs.
    from storage.drive.blobs.s3 import S3Blobs

    return S3Blobs(config, random=random)
