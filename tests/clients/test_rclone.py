"""The real rclone, with each of the vendors that people choose for a server like this."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.drive_server import embedded_drive

RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"
MIB = 1024 * 1024

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drive_server(tmp_path_factory):
    with embedded_drive(tmp_path_factory.mktemp("server")) as server:
        yield server


class Rclone:
    """rclone with one remote, `drive:`, and a folder to copy from."""

    def __init__(self, folder: Path, server, vendor: str) -> None:
        self.folder, self.vendor = folder, vendor
        self.config = folder / "rclone.conf"
        self.source = folder / "source"
        self("config", "create", "drive", "webdav", f"url={server.url}", f"vendor={vendor}",
             "user=anyone", f"pass={server.secret}", "nextcloud_chunk_size=1Mi",
             "--obscure")  # fmt: skip

    def __call__(self, *words: object, stdin: bytes = b"", succeeds: bool = True) -> str:
        done = subprocess.run(
            [RCLONE, "--config", self.config, "--retries=1", *map(str, words)],
            input=stdin, capture_output=True, timeout=100,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert (done.returncode == 0) == succeeds, said
        return said


@pytest.fixture(params=["other", "owncloud", "nextcloud", "rclone"])
def rclone(request, tmp_path, drive_server):
    rclone = Rclone(tmp_path, drive_server, request.param)
    (rclone.source / "sub").mkdir(parents=True)
    (rclone.source / "a.txt").write_bytes(b"hello")
    (rclone.source / "empty").write_bytes(b"")
    (rclone.source / "big.bin").write_bytes(bytes(range(256)) * (3 * MIB // 256))
    (rclone.source / "sub" / "ä &%23 [b]#?.txt").write_bytes(b"x")
    yield rclone
    rclone("purge", f"drive:{request.param}", succeeds=True)


@pytest.fixture
def copied(rclone):
    rclone.there = f"drive:{rclone.vendor}"
    rclone("copy", rclone.source, rclone.there)
    return rclone


def test_what_was_copied_is_the_same(copied):
    copied("check", copied.source, copied.there)
    copied("check", "--download", copied.source, copied.there)


def test_a_sync_without_changes_transfers_nothing(copied):
    said = copied("sync", copied.source, copied.there, "-v")
    assert "Copied" not in said
    assert "Updated" not in said


def test_a_file_is_renamed(copied):
    copied("moveto", f"{copied.there}/a.txt", f"{copied.there}/new folder/b.txt")
    assert copied("cat", f"{copied.there}/new folder/b.txt") == "hello"
    assert "a.txt" not in copied("lsf", copied.there).split()


def test_a_folder_is_renamed(copied):
    copied("moveto", f"{copied.there}/sub", f"{copied.there}/sub2")
    assert "ä" in copied("lsf", f"{copied.there}/sub2")


def test_a_part_of_a_file_is_read(copied):
    assert len(copied("cat", f"{copied.there}/big.bin", "--offset", 3 * MIB - 10)) > 0


def test_a_stream_of_unknown_length_is_stored(copied):
    copied("rcat", f"{copied.there}/streamed", stdin=b"s" * 200_000)
    assert copied("cat", f"{copied.there}/streamed") == "s" * 200_000


def test_the_room_is_told(copied):
    assert "Used:" in copied("about", "drive:")


def test_times_are_kept_where_the_vendor_has_them(copied):
    if copied.vendor in ("other", "rclone"):
        return  # rclone sets times for these by upload only, or not at all
    copied("touch", "-t", "2020-01-01T00:00:00", f"{copied.there}/a.txt")
    assert "2020-01-01 00:00:00" in copied("lsl", f"{copied.there}/a.txt")


def test_hashes_are_told_where_the_vendor_has_them(copied):
    if copied.vendor in ("other", "rclone"):
        return  # rclone asks these vendors for none
    sums = copied("sha1sum", copied.there)
    assert "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d  a.txt" in sums
