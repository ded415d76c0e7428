import pytest

from storage import migrations
from storage.db import Database
from storage.sections import DatabaseConfig


@pytest.fixture
def newest(sqlite_database_config):
    database = Database(sqlite_database_config)
    yield migrations.read_status(database).newest
    database.close()


@pytest.fixture
def empty_command_line(bare_command_line):
    bare_command_line.use_empty_database()
    return bare_command_line


def test_an_empty_database_says_what_is_to_do(empty_command_line, newest):
    result = empty_command_line("db", "status")
    assert result.exit_code == 0
    assert result.stdout.startswith("The database is empty; to do: 0001")
    assert result.stdout.endswith("Run: davserver db upgrade\n")


def test_status_in_json_has_exactly_what_scripts_rely_on(empty_command_line, newest):
    status = empty_command_line.json("db", "status")
    assert (status["current"], status["newest"]) == (None, newest)
    assert status["pending"][-1] == newest
    assert set(status) == {"current", "newest", "pending"}


def test_an_upgraded_database_is_at_the_newest_schema(command_line, newest):
    assert command_line("db", "status").stdout == (
        f"The database is at schema {newest}, the newest.\n"
    )


def test_an_upgrade_takes_every_step(empty_command_line, newest):
    done = empty_command_line.json("db", "upgrade")
    assert (done["before"], done["now"]) == (None, newest)
    assert empty_command_line.json("db", "status")["pending"] == []


def test_an_upgrade_says_what_it_did(empty_command_line, newest):
    assert empty_command_line("db", "upgrade").stdout.startswith(f"Upgraded to schema {newest} (")


def test_a_second_upgrade_has_nothing_to_do(command_line, newest):
    assert command_line("db", "upgrade").stdout == (
        f"Nothing to do: the database is at schema {newest}.\n"
    )
    assert command_line.json("db", "upgrade")["done"] == []


def test_an_upgraded_database_is_for_its_owner_s_eyes_only(empty_command_line):
    empty_command_line("db", "upgrade")
    path = empty_command_line.folder / "data" / "davserver.db"
    assert path.stat().st_mode & 0o077 == 0


def test_a_database_of_a_newer_version_is_refused(command_line):
    command_line.write(
        lambda tx: tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num='9999'")
    )
    result = command_line("db", "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("davserver: The database is at schema 9999, which this ")


def test_a_postgresql_is_upgraded_when_told(empty_command_line, postgres, newest):
    name = postgres.create_database()
    keys = empty_command_line.folder / "keys"
    empty_command_line("keys", "new", keys)
    empty_command_line.configure(
        f'[database]\nurl = "{postgres.url(name)}"\n[secrets]\nkey_file = "{keys}"\n'
    )
    refused = empty_command_line("account", "list")
    assert refused.exit_code == 1
    assert refused.stderr.endswith("Make a backup, then run: davserver db upgrade\n")
    assert empty_command_line.json("db", "upgrade")["now"] == newest
    assert empty_command_line.json("account", "list") == []
    postgres.drop_database(name)


def test_a_database_that_is_away_is_one_sentence(empty_command_line):
    config = DatabaseConfig(url="postgresql://app:planted@127.0.0.1:1/drive")
    empty_command_line.configure(
        f'[database]\nurl = "{config.url.get_secret_value()}"\nbusy_timeout_seconds = 0.1\n'
        '[secrets]\nkeys = "k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"\n'
    )
    result = empty_command_line("db", "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "davserver: The database is busy or away; try again shortly.\n"
