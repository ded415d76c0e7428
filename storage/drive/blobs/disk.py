"""Blobs as files on this machine's disk: one file per blob, in 256 folders by the key's start.

A file is written under `tmp/`, flushed, and only then renamed to where readers look; so whatever
is found there is complete. Nothing here knows what the bytes mean. Opened by `opening`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage.drive.blobs import CHUNK_BYTES, BlobEntry, BlobRef, ByteSource
from storage.drive.blobs.checking import KEY, check_key, check_range, check_stored_size, is_key
from storage.drive.blobs.probing import probe
from storage.errors import Misconfigured, NotFound, OverQuota, Unavailable
from storage.folders import flush_folder
from storage.randomness import RandomBytes, new_blob_key

_FOLDER = re.compile(r"[0-9a-f]{2}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskReader:
    """An open file, or a range of one.

    Good for `os.sendfile`: send from `fileno()`, beginning at `offset`, at most `remaining`
    bytes, and then tell how many went with `skip`. The descriptor's own position is never used.
    """

    def __init__(self, descriptor: int, *, offset: int, remaining: int) -> None:
        self._descriptor = descriptor
        self.offset = offset
        self.remaining = remaining

    def fileno(self) -> int:
        """Return the open file's descriptor; it stays ours to close."""
        return self._descriptor

    def read(self, size: int, /) -> bytes:
        """Return up to `size` of the bytes that remain. Raises Unavailable."""
        wanted = min(size, self.remaining)
        if wanted == 0:
            return b""
        with _own_errors():
            data = os.pread(self._descriptor, wanted, self.offset)
        if not data:
            raise Unavailable("A stored file is shorter than it was when it was opened.")
        self.skip(len(data))
        return data

    def skip(self, count: int) -> None:
        """Move on by `count` bytes that were sent by other means."""
        self.offset += count
        self.remaining -= count

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class DiskBlobs:
    """A BlobStore in a folder of its own.

    With `sync`, a blob outlives a power failure from the moment that `put` returns: its bytes,
    its name, and the folders that lead to it. Without, it outlives only this process.
    """

    def __init__(self, root: Path, *, random: RandomBytes, sync: bool = True) -> None:
        self._root = root
        self._temporaries = root / "tmp"
        self._random = random
        self._sync = sync
        self._flushed_folders: set[str] = set()
        try:
            self._make_folders(self._temporaries)
        except OSError as error:
            raise Misconfigured(
                "The folder of [blobs] path can't be made; let this server's user write there, "
                "or name another one."
            ) from error

    def put(self, source: ByteSource, *, expected_size: int | None = None) -> BlobRef:  # noqa: ARG002 - files need no laying out
        """Write to a temporary name, flush, rename."""
        key = new_blob_key(self._random)
        temporary = self._temporaries / key
        with _own_errors():
            file = temporary.open("xb", buffering=0)
        try:
            with file:
                size = _copy(source, file)
                if self._sync:
                    with _own_errors():
                        os.fsync(file.fileno())
            self._publish(temporary, key)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        return BlobRef(key, size)

    def open(self, ref: BlobRef, *, start: int = 0, length: int | None = None) -> DiskReader:
        """Open a range. Raises NotFound, Invalid, Unavailable."""
        check_range(start, length)
        path = self._path(ref.key)
        with _own_errors():
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self._refuse_when_unmounted()
                raise NotFound("There is no such blob.") from None
        try:
            check_stored_size(ref, os.fstat(descriptor).st_size)
        except BaseException:
            os.close(descriptor)
            raise
        remaining = max(0, ref.size - start)
        if length is not None:
            remaining = min(remaining, length)
        return DiskReader(descriptor, offset=start, remaining=remaining)

    def delete(self, key: str) -> None:
        """Remove the file, if it is there.

        Not flushed: a blob that comes back after a power failure is found by the next sweep.
        """
        if not is_key(key):
            return
        with _own_errors():
            try:
                self._path(key).unlink()
            except FileNotFoundError:
                self._refuse_when_unmounted()

    def list(self) -> Iterator[BlobEntry]:
        """Give every file that is in its place under a key's name."""
        self._refuse_when_unmounted()
        for folder in _names_in(self._root, _FOLDER):
            for key in _names_in(self._root / folder, KEY):
                if status := _status(self._path(key)):
                    yield BlobEntry(key, status.st_size, _modified_at(status))

    def presign(self, ref: BlobRef, *, expires_seconds: int) -> str | None:  # noqa: ARG002 - a disk has no address
        """Return None: a disk serves nobody but this machine."""
        check_key(ref.key)
        return None

    def sweep_unfinished(self, *, started_before: datetime) -> int:
        """Remove temporary files that nobody has written to since then, as after a kill -9."""
        self._refuse_when_unmounted()
        removed = 0
        for name in _names_in(self._temporaries, KEY):
            path = self._temporaries / name
            status = _status(path)
            if status is None or _modified_at(status) >= started_before:
                continue
            with _own_errors():
                path.unlink(missing_ok=True)
            removed += 1
        return removed

    def check(self) -> None:
        """Put, read and delete a probe. Raises Misconfigured when the folder refuses us."""
        try:
            probe(self)
        except Unavailable as error:
            if isinstance(error.__cause__, PermissionError):
                raise Misconfigured(
                    "The folder of [blobs] path can't be written to; give it to this server's user."
                ) from error
            raise

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _path(self, key: str) -> Path:
        check_key(key)  # "/etc/passwd" or "../x" would lead out of the folder
        return self._root / key[:2] / key

    def _publish(self, temporary: Path, key: str) -> None:
        path = self._path(key)
        with _own_errors():
            self._make_fan_out(path.parent)
            temporary.rename(path)
            if not self._sync:
                return
            try:
                flush_folder(path.parent)
            except BaseException:
                path.unlink(missing_ok=True)
                raise

    def _make_fan_out(self, folder: Path) -> None:
        # 0o700 keeps other users of the machine from the bytes, whatever the root allows them.
        # Not parents=True: when the disk under the root has gone, nothing may be made in its
        # place. A folder that exists already may be another process's, made a moment ago and
        # not flushed yet; so each process flushes once per folder, whoever made it.
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if folder.name in self._flushed_folders:
                return
        if self._sync:
            flush_folder(self._root)
        self._flushed_folders.add(folder.name)

    def _make_folders(self, folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
            if self._sync:
                flush_folder(path.parent)

    def _refuse_when_unmounted(self) -> None:
        # An unmounted disk leaves an empty folder, in which every blob would seem to be lost.
        if not self._temporaries.is_dir():
            raise Unavailable("The disk with the files' bytes is not there.")


def _copy(source: ByteSource, file: BinaryIO) -> int:
    # Only the writing is ours to translate: an OSError out of `source` is the client's network.
    size = 0
    while chunk := source.read(CHUNK_BYTES):
        rest = memoryview(chunk)
        while rest:
            with _own_errors():
                rest = rest[file.write(rest) :]
        size += len(chunk)
    return size


def _names_in(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    with _own_errors(), os.scandir(folder) as entries:
        return [entry.name for entry in entries if pattern.fullmatch(entry.name)]


def _status(path: Path) -> os.stat_result | None:
    with _own_errors():
        try:
            status = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None  # deleted between the listing and now
    return status if stat.S_ISREG(status.st_mode) else None


def _modified_at(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OverQuota("The disk with the files' bytes is full.") from error
        raise Unavailable("The disk with the files' bytes does not do its work.") from error
