import logging
import os

import pytest

from tests.command_line import CommandLine

_NAMES = ("alembic", "boto3", "botocore", "s3transfer", "sqlalchemy", "urllib3")


@pytest.fixture(autouse=True)
def _own_logging_and_umask():
    """Commands that run in this process set up its log and its umask; put both back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in _NAMES}
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


@pytest.fixture
def bare_command_line(tmp_path, monkeypatch):
    """`davserver` in a folder in which it was never started."""
    monkeypatch.chdir(tmp_path)
    command_line = CommandLine(tmp_path)
    command_line.configure("")
    return command_line


@pytest.fixture
def command_line(bare_command_line, sqlite_template):
    """`davserver` in a folder with an upgraded database that has no account yet."""
    bare_command_line.use_database_like(sqlite_template)
    return bare_command_line


@pytest.fixture
def home(command_line):
    """`davserver` with the account `home`, which is number 1."""
    command_line.open_account("home", owner="alice@example.org")
    return command_line
