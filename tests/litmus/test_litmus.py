"""The public WebDAV suite, against a real server: every test of every suite, without a warning."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.drive_server import embedded_drive, networked_drive
from tests.real_s3 import start_rclone
from tests.system_parts import need_program

SUITES = ("basic", "copymove", "props", "locks", "http")
_SUMMARY = re.compile(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def litmus():
    return need_program("litmus", package="litmus")


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    server = start_rclone(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(params=["SQLite and disk", "PostgreSQL and S3"])
def drive_server(litmus, request, tmp_path):
    if request.param == "SQLite and disk":
        with embedded_drive(tmp_path) as server:
            yield server
        return
    postgres = request.getfixturevalue("postgres")
    name = postgres.create_database()
    with networked_drive(tmp_path, postgres.url(name), request.getfixturevalue("s3")) as server:
        yield server
    postgres.drop_database(name)


def test_every_suite_passes_whole_and_without_a_warning(litmus, drive_server, tmp_path):
    done = subprocess.run(
        [litmus, "-k", f"{drive_server.url}/", "anyone", drive_server.secret],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=100,
    )  # fmt: skip
    said = done.stdout + done.stderr
    results = {suite: (passed, failed) for suite, _, passed, failed in _SUMMARY.findall(said)}
    assert sorted(results) == sorted(SUITES), said
    assert {failed for _, failed in results.values()} == {"0"}, said
    assert "WARNING" not in said, said
    assert "SKIPPED" not in said, said
    assert done.returncode == 0, said
