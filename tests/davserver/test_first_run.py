import contextlib
import re
import socket
import stat
import subprocess

import bcrypt
import pytest

from storage.db import Database
from storage.identity import accounts, devices
from storage.identity.devices import hash_secret
from storage.identity.tables import devices as devices_table
from storage.identity.tables import users
from storage.sections import DatabaseConfig
from tests.running_server import program, serving, starting

SHOWN = re.compile(r"^  (account|owner|password|device) +(\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def first_start(tmp_path_factory):
    """A folder in which a server was started once, and what that start printed."""
    folder = tmp_path_factory.mktemp("first")
    with serving(folder) as server:
        assert server.stop() == 0
        return folder, server.stdout


@pytest.fixture(scope="module")
def second_start(first_start):
    folder, _ = first_start
    with serving(folder) as server:
        assert server.stop() == 0
        return server.stdout


@pytest.fixture
def first_database(first_start):
    folder, _ = first_start
    database = Database(DatabaseConfig(url=f"sqlite:///{folder}/data/davserver.db"))
    yield database
    database.close()


def shown_keys(text):
    return dict(SHOWN.findall(text))


def test_the_first_start_shows_an_account_its_owner_and_a_device(first_start):
    _, stdout = first_start
    keys = shown_keys(stdout)
    assert (keys["account"], keys["owner"]) == ("home", "owner@localhost")
    assert keys["device"].startswith("dsync_")


def test_each_secret_is_shown_once(first_start):
    _, stdout = first_start
    keys = shown_keys(stdout)
    assert (stdout.count(keys["password"]), stdout.count(keys["device"])) == (1, 1)


def test_the_shown_password_is_the_owner_s(first_start, first_database):
    _, stdout = first_start
    row = first_database.read(lambda tx: tx.connection.execute(users.select()).one())
    assert bcrypt.checkpw(shown_keys(stdout)["password"].encode(), row.password_hash.encode())


def test_the_shown_device_is_the_one_that_was_issued(first_start, first_database):
    _, stdout = first_start
    oldest = devices_table.select().order_by(devices_table.c.id).limit(1)
    row = first_database.read(lambda tx: tx.connection.execute(oldest).one())
    assert row.secret_hash == hash_secret(shown_keys(stdout)["device"])


def test_the_folder_of_the_data_is_for_its_owner_only(first_start):
    folder, _ = first_start
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700


def test_no_file_of_the_data_can_be_read_by_others(first_start):
    folder, _ = first_start
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"davserver.db", "davserver.keys"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_no_file_of_a_running_server_can_be_read_by_others(tmp_path):
    with serving(tmp_path):
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"davserver.db-wal", "davserver.db-shm"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_second_start_shows_no_secret(second_start):
    assert shown_keys(second_start) == {}
    assert "dsync_" not in second_start


def test_a_second_start_says_how_to_get_a_new_device(first_start, second_start):
    folder, _ = first_start
    [line] = [line for line in second_start.splitlines() if "device issue" in line]
    assert line == "  davserver device issue --account home --label LABEL"
    words = line.split()[1:]
    result = subprocess.run(
        program(*words), cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert "dsync_" in result.stdout


def test_what_a_later_start_says_names_the_configuration(home):
    path = home.folder / "my config.toml"
    path.write_text("")
    with serving(home.folder, "--config", path) as server:
        stdout = server.stdout
    assert f"  davserver --config '{path}' device issue --account home --label LABEL" in stdout


def test_with_many_accounts_a_later_start_leaves_the_name_open(home):
    home.open_account("second")
    with serving(home.folder) as server:
        assert "  davserver device issue --account NAME --label LABEL" in server.stdout


def test_the_printed_command_works_as_printed(tmp_path):
    with serving(tmp_path) as server:
        [command] = re.findall(r"^Try:  (.+)$", server.stdout, re.MULTILINE)
        result = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True
        )
    assert '"status": "ready"' in result.stdout


def test_two_starts_at_once_make_one_account(tmp_path):
    with contextlib.ExitStack() as both:
        servers = [both.enter_context(starting(tmp_path)) for _ in range(2)]
        assert [server.wait_until_ready() for server in servers] == [True, True]
        shown = [keys for server in servers if (keys := shown_keys(server.stdout))]
    assert len(shown) == 1
    database = Database(DatabaseConfig(url=f"sqlite:///{tmp_path}/data/davserver.db"))
    [account] = database.read(accounts.list_accounts)
    issued = database.read(lambda tx: devices.list_devices(tx, account_id=account.id))
    database.close()
    assert len(issued) == 1


def test_a_start_that_can_not_listen_makes_no_account(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with starting(tmp_path, DAVSERVER_SERVER__PORT=port) as server:
            assert server.process.wait(timeout=60) == 1
    with serving(tmp_path) as later:
        assert "device" in shown_keys(later.stdout)


def test_where_the_database_is_elsewhere_no_account_is_made(tmp_path, postgres_database_config):
    with serving(
        tmp_path,
        DAVSERVER_DATABASE__URL=postgres_database_config.url.get_secret_value(),
        DAVSERVER_SECRETS__KEYS="k1:" + "A" * 43,
    ) as server:
        assert shown_keys(server.stdout) == {}
        assert "davserver account create NAME --owner EMAIL" in server.stdout
