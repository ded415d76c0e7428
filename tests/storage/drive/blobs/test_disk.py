"""What only a disk can do wrong: crashes, no room, the order of flushing, a disk that is gone."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from storage.drive.blobs import BlobRef
from storage.drive.blobs.disk import DiskBlobs
from storage.errors import Misconfigured, NotFound, Unavailable
from tests.byte_sources import MIB, GeneratedSource

CONTENT = b"Alice's bytes"
CHECKOUT = Path(__file__).parents[3]
LATER = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(root: Path, chance) -> DiskBlobs:
    return DiskBlobs(root, random=chance)


def files_under(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


# Puts a blob whose source kills the process without warning, after some bytes were written.
KILLED_WRITER = """
import os
import signal
import sys
from pathlib import Path
from storage.drive.blobs.disk import DiskBlobs
from storage.randomness import system_random

class Killer:
    reads = 0
    def read(self, size):
        self.reads += 1
        if self.reads == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return b"x" * size

DiskBlobs(Path(sys.argv[1]), random=system_random).put(Killer())
"""


@pytest.fixture
def leftover(root: Path) -> Path:
    """What a kill -9 in the middle of a put leaves."""
    command = [sys.executable, "-c", KILLED_WRITER, str(root)]
    killed = subprocess.run(command, check=False, cwd=CHECKOUT)
    assert killed.returncode == -signal.SIGKILL
    (file,) = files_under(root)
    return file


class TestAfterKill9:
    def test_the_leftover_is_not_listed(self, leftover: Path, blobs: DiskBlobs):
        assert list(blobs.list()) == []

    def test_the_leftover_can_not_be_opened(self, leftover: Path, blobs: DiskBlobs):
        with pytest.raises(NotFound):
            blobs.open(BlobRef(leftover.name, leftover.stat().st_size))

    def test_a_sweep_removes_the_leftover(self, leftover: Path, blobs: DiskBlobs):
        assert (blobs.sweep_unfinished(started_before=LATER), leftover.exists()) == (1, False)

    def test_a_sweep_spares_what_may_still_be_written(self, leftover: Path, blobs: DiskBlobs):
        written_at = datetime.fromtimestamp(leftover.stat().st_mtime, UTC)
        assert blobs.sweep_unfinished(started_before=written_at) == 0

    def test_a_sweep_takes_what_is_a_moment_older(self, leftover: Path, blobs: DiskBlobs):
        written_at = datetime.fromtimestamp(leftover.stat().st_mtime, UTC)
        moment = timedelta(microseconds=1)
        assert blobs.sweep_unfinished(started_before=written_at + moment) == 1


# Puts 3 MiB where there is room for one, and tells what was said and how many files remained.
WRITER_WITHOUT_ROOM = """
import resource
import sys
from pathlib import Path
from storage.drive.blobs.disk import DiskBlobs
from storage.errors import OverQuota
from storage.randomness import system_random
from tests.byte_sources import MIB, GeneratedSource

root, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    DiskBlobs(root, random=system_random).put(GeneratedSource(3 * MIB))
except OverQuota as error:
    print(error.message)
print(sum(path.is_file() for path in root.rglob("*")))
"""

# Mounts a disk of 1 MiB in a namespace of its own, which ends with the process.
SMALL_DISK = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1/blobs" 1000000000'

FULL = ["The disk with the files' bytes is full.", "0"]


def lines_of(command: list[str]) -> list[str]:
    return subprocess.check_output(command, text=True, cwd=CHECKOUT).splitlines()


def test_a_file_too_large_for_the_disk_is_over_quota_and_leaves_nothing(root: Path):
    command = [sys.executable, "-c", WRITER_WITHOUT_ROOM, str(root), str(MIB)]
    assert lines_of(command) == FULL


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode,
    reason="this machine lets nobody make a mount namespace",
)
def test_a_full_disk_is_over_quota_and_leaves_nothing(tmp_path: Path):
    shell = ["unshare", "-Urm", "sh", "-c", SMALL_DISK, "sh", str(tmp_path)]
    assert lines_of([*shell, sys.executable, WRITER_WITHOUT_ROOM]) == FULL


def test_other_trouble_of_the_disk_is_unavailable_and_tells_no_path(root: Path, chance):
    blobs = DiskBlobs(root, random=chance)
    shutil.rmtree(root / "tmp")
    (root / "tmp").write_bytes(b"no folder")
    with pytest.raises(Unavailable) as caught:
        blobs.put(BytesIO(CONTENT))
    assert str(root) not in caught.value.message


@pytest.mark.parametrize(
    "act",
    [
        lambda blobs: blobs.put(BytesIO(CONTENT)),
        lambda blobs: blobs.open(BlobRef("0" * 32, 1)),
        lambda blobs: blobs.delete("0" * 32),
        lambda blobs: list(blobs.list()),
        lambda blobs: blobs.sweep_unfinished(started_before=LATER),
        lambda blobs: blobs.check(),
    ],
    ids=["put", "open", "delete", "list", "sweep", "check"],
)
@pytest.mark.parametrize("is_mount_point_left", [True, False], ids=["empty", "gone"])
def test_a_disk_that_was_unmounted_is_unavailable_not_empty(
    blobs: DiskBlobs, root: Path, act, is_mount_point_left: bool
):
    shutil.rmtree(root)
    if is_mount_point_left:
        root.mkdir()
    with pytest.raises(Unavailable):
        act(blobs)


def test_a_put_without_its_disk_makes_no_folder_in_its_place(blobs: DiskBlobs, root: Path):
    shutil.rmtree(root)
    with pytest.raises(Unavailable):
        blobs.put(BytesIO(CONTENT))
    assert not root.exists()


def test_a_folder_that_can_not_be_made_is_misconfigured(tmp_path: Path, chance):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured):
        DiskBlobs(tmp_path / "file" / "blobs", random=chance)


@pytest.mark.parametrize("key", ["{}", "../{}", "../../{}"], ids=["absolute", "up", "up-twice"])
def test_no_key_leads_out_of_the_folder(blobs: DiskBlobs, root: Path, tmp_path: Path, key: str):
    outside = tmp_path / "0123"
    outside.write_bytes(CONTENT)
    key = key.format(outside if key == "{}" else outside.name)
    with pytest.raises(NotFound):
        blobs.open(BlobRef(key, len(CONTENT)))
    blobs.delete(key)
    assert outside.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="where the kernel counts a process's files")
def test_a_blob_that_was_cut_short_is_damaged_and_no_file_stays_open(blobs: DiskBlobs, root: Path):
    ref = blobs.put(BytesIO(CONTENT))
    os.truncate(root / ref.key[:2] / ref.key, 5)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(Unavailable, match="damaged"):
        blobs.open(ref)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_foreign_files_in_the_folder_are_left_alone(blobs: DiskBlobs, root: Path):
    foreign = [root / "lost+found" / "x", root / "ab" / "README", root / "tmp" / "notes"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not ours")
    assert list(blobs.list()) == []
    assert blobs.sweep_unfinished(started_before=LATER) == 0
    assert all(path.exists() for path in foreign)


def test_other_users_of_the_machine_can_not_enter_the_folders(blobs: DiskBlobs, root: Path):
    blobs.put(BytesIO(CONTENT))
    assert {path.stat().st_mode & 0o077 for path in root.rglob("*") if path.is_dir()} == {0}


def test_a_range_can_be_sent_by_the_kernel(blobs: DiskBlobs):
    reader = blobs.open(blobs.put(BytesIO(CONTENT)), start=2, length=8)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = os.sendfile(ours.fileno(), reader.fileno(), reader.offset, 3)
        reader.skip(sent)
        assert theirs.recv(100) == CONTENT[2:5]
    assert (reader.read(100), reader.remaining) == (CONTENT[5:10], 0)
    reader.close()


class Flushes:
    """Records what is flushed, in place of waiting for the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.names: list[str] = []

    def __call__(self, descriptor: int) -> None:
        path = Path(f"/dev/fd/{descriptor}").resolve()
        name = "." if path == self._root else str(path.relative_to(self._root).parts[0])
        is_published = any(self._root.glob("[0-9a-f][0-9a-f]/*"))
        self.names.append(f"{name} {'after' if is_published else 'before'}")


@pytest.fixture
def flushes(root: Path, blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch) -> Flushes:
    flushes = Flushes(root)
    monkeypatch.setattr(os, "fsync", flushes)
    return flushes


def test_bytes_are_flushed_before_the_rename_and_folders_after(blobs: DiskBlobs, flushes: Flushes):
    key = blobs.put(BytesIO(CONTENT)).key
    assert flushes.names == ["tmp before", ". before", f"{key[:2]} after"]


def test_a_folder_that_another_process_made_is_flushed_too(
    root: Path, blobs: DiskBlobs, flushes: Flushes
):
    for number in range(256):
        (root / f"{number:02x}").mkdir()
    blobs.put(BytesIO(CONTENT))
    assert ". before" in flushes.names


def test_a_folder_that_was_flushed_once_is_not_flushed_again(root: Path, flushes: Flushes):
    blobs = DiskBlobs(root, random=lambda count: next(numbers).to_bytes(count, "big"))
    numbers = iter([1, 2])
    blobs.put(BytesIO(CONTENT))
    flushes.names.clear()
    blobs.put(BytesIO(CONTENT))
    assert flushes.names == ["tmp after", "00 after"]


def test_relaxed_durability_flushes_nothing(root: Path, chance, flushes: Flushes):
    DiskBlobs(root, random=chance, sync=False).put(BytesIO(CONTENT))
    assert flushes.names == []


@pytest.mark.parametrize("failing", [1, 2, 3], ids=["bytes", "new-folder", "name"])
def test_a_put_that_can_not_be_flushed_leaves_nothing(
    root: Path, blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch, failing: int
):
    calls = []

    def fail_in_time(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail_in_time)
    with pytest.raises(Unavailable):
        blobs.put(BytesIO(CONTENT))
    assert files_under(root) == []


@pytest.mark.skipif(sys.platform != "linux", reason="where the kernel counts a process's files")
def test_no_file_stays_open_after_puts_and_reads_good_and_bad(blobs: DiskBlobs):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path object is wanted
    ref = blobs.put(GeneratedSource(MIB))
    blobs.open(ref).close()
    with pytest.raises(NotFound):
        blobs.open(BlobRef("0" * 32, 1))
    list(blobs.list())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_put_that_runs_out_of_descriptors_is_unavailable(blobs: DiskBlobs):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(Unavailable):
            blobs.put(BytesIO(CONTENT))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
