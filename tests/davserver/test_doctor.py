import json

import pytest

from tests.made_certificates import make_certificate
from tests.real_s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, start_moto

KEY = "k1:" + "A" * 43
PARTS = ["configuration", "keys", "database", "schema", "clock", "blobs", "certificate"]


@pytest.fixture
def started(home):
    """An embedded set-up as after its first start."""
    home.json("account", "list")
    return home


def diagnose(command_line):
    """Return the exit status, and what was found of each part."""
    result = command_line("doctor", "--json")
    findings = json.loads(result.stdout)
    return result.exit_code, {each["part"]: (each["state"], each["words"]) for each in findings}


def with_certificate(command_line, **properties):
    certificate, key = make_certificate(command_line.folder, **properties)
    command_line.configure(
        f'[server]\nhost = "0.0.0.0"\npublic_url = "https://drive.example.org"\n'
        f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    )
    return certificate, key


# --- All is well ----------------------------------------------------------------------------


def test_a_good_set_up_is_good_in_every_part(started):
    status, found = diagnose(started)
    assert (status, list(found)) == (0, PARTS)
    assert {state for state, _ in found.values()} == {"ok"}


def test_json_has_exactly_what_scripts_rely_on(started):
    findings = started.json("doctor")
    assert {frozenset(each) for each in findings} == {frozenset({"part", "state", "words"})}


def test_for_people_it_is_a_table(started):
    result = started("doctor")
    heading, *rows = result.stdout.splitlines()
    assert (result.exit_code, heading.split()) == (0, ["part", "state", "what"])
    assert [row.split()[0] for row in rows] == PARTS


def test_looking_leaves_nothing_behind(started):
    blobs = started.folder / "data" / "blobs"
    diagnose(started)
    assert [path for path in blobs.rglob("*") if path.is_file()] == []


def test_before_the_first_start_it_says_what_that_will_make(bare_command_line):
    status, found = diagnose(bare_command_line)
    assert status == 0
    for part in ("keys", "database", "blobs"):
        state, words = found[part]
        assert (state, words.endswith("is not there yet; the first start makes it")) == (
            "warning",
            True,
        )


def test_before_the_first_start_it_makes_nothing(bare_command_line):
    diagnose(bare_command_line)
    assert [path.name for path in bare_command_line.folder.iterdir()] == ["davserver.toml"]


# --- Configuration and keys -----------------------------------------------------------------


def test_every_fault_of_the_configuration_is_a_row(bare_command_line):
    bare_command_line.configure('[server]\nport = "x"\nhots = 1\n')
    result = bare_command_line("doctor", "--json")
    findings = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [(each["part"], each["state"]) for each in findings] == [("configuration", "bad")] * 2


def test_a_key_file_that_others_can_read_is_bad(started):
    path = started.folder / "data" / "davserver.keys"
    path.chmod(0o644)
    status, found = diagnose(started)
    assert (status, found["keys"][0]) == (1, "bad")
    assert found["keys"][1].endswith("can be read by others. Run: chmod 600 data/davserver.keys")


def test_a_missing_key_file_is_bad_once_the_bytes_are_elsewhere(started):
    started.configure(
        '[secrets]\nkey_file = "none"\n[blobs]\nkind = "s3"\nbucket = "b"\nattempts = 1\n'
        'endpoint_url = "http://127.0.0.1:1"\naccess_key_id = "a"\nsecret_access_key = "b"\n'
    )
    status, found = diagnose(started)
    assert (status, found["keys"]) == (
        1,
        ("bad", "There is no key file none. Make one with: davserver keys new none"),
    )


# --- Database -------------------------------------------------------------------------------


def test_a_database_that_was_not_upgraded_is_bad(bare_command_line, postgres):
    name = postgres.create_database()
    bare_command_line.configure(
        f'[database]\nurl = "{postgres.url(name)}"\n[secrets]\nkeys = "{KEY}"\n'
    )
    status, found = diagnose(bare_command_line)
    postgres.drop_database(name)
    assert (status, found["database"][0], found["schema"][0]) == (1, "warning", "bad")
    assert found["schema"][1].endswith("make a backup, then run: davserver db upgrade")


def test_a_postgresql_that_answers_is_good(bare_command_line, postgres_database_config):
    url = postgres_database_config.url.get_secret_value()
    bare_command_line.configure(f'[database]\nurl = "{url}"\n[secrets]\nkeys = "{KEY}"\n')
    status, found = diagnose(bare_command_line)
    assert (status, found["schema"][0], found["clock"][0]) == (0, "ok", "ok")
    assert found["database"][1].startswith("PostgreSQL ")


def test_a_postgresql_that_may_lose_data_is_warned_of(bare_command_line, postgres_database_config):
    # The tests' own server lives for one run only, and saves itself the trouble.
    url = postgres_database_config.url.get_secret_value()
    bare_command_line.configure(f'[database]\nurl = "{url}"\n[secrets]\nkeys = "{KEY}"\n')
    _, found = diagnose(bare_command_line)
    assert found["database"][0] == "warning"
    assert "fsync and full_page_writes off" in found["database"][1]


def test_a_database_that_is_away_is_bad(bare_command_line):
    bare_command_line.configure(
        '[database]\nurl = "postgresql://app:planted@127.0.0.1:1/drive"\n'
        f'busy_timeout_seconds = 0.1\n[secrets]\nkeys = "{KEY}"\n'
    )
    status, found = diagnose(bare_command_line)
    assert (status, found["database"][0]) == (1, "bad")
    assert found["database"][1].startswith(
        "can't be reached; look at [database] url, and whether it is running ("
    )
    assert "Connection refused" in found["database"][1]


def test_a_part_that_fails_stops_no_other(bare_command_line):
    bare_command_line.configure(
        '[database]\nurl = "postgresql://127.0.0.1:1/drive"\nbusy_timeout_seconds = 0.1\n'
        f'[secrets]\nkeys = "{KEY}"\n'
    )
    _, found = diagnose(bare_command_line)
    assert (found["blobs"][0], found["certificate"][0]) == ("ok", "ok")


def test_a_file_that_is_no_database_is_bad(started):
    path = started.folder / "data" / "davserver.db"
    path.write_bytes(b"hello, this is not a database at all" * 100)
    status, found = diagnose(started)
    assert (status, found["database"][0]) == (1, "bad")
    assert found["database"][1].startswith("data/davserver.db: The database's file can't be opened")


def test_a_database_of_a_newer_version_is_bad(started):
    started.write(
        lambda tx: tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num='9999'")
    )
    status, found = diagnose(started)
    assert (status, found["schema"][0]) == (1, "bad")
    assert "a newer davserver has used it" in found["schema"][1]


# --- Blobs ----------------------------------------------------------------------------------


def test_a_blobs_folder_that_is_a_file_is_bad(started):
    started.configure('[blobs]\npath = "blobs"\n')
    (started.folder / "blobs").write_text("")
    status, found = diagnose(started)
    assert (status, found["blobs"][0]) == (1, "bad")
    assert found["blobs"][1].startswith("blobs: The folder of [blobs] path can't be made; ")


def test_blobs_in_memory_are_a_warning(started):
    started.configure('[blobs]\nkind = "memory"\n')
    status, found = diagnose(started)
    assert status == 0
    assert found["blobs"] == (
        "warning",
        "kept in memory: every file is gone when the server stops",
    )


@pytest.fixture(scope="module")
def s3():
    server = start_moto()
    yield server
    server.stop()


def with_bucket(command_line, bucket, url):
    command_line.configure(
        f'[secrets]\nkeys = "{KEY}"\n'
        f'[blobs]\nkind = "s3"\nbucket = "{bucket}"\nendpoint_url = "{url}"\n'
        f'access_key_id = "{ACCESS_KEY_ID}"\nsecret_access_key = "{SECRET_ACCESS_KEY}"\n'
        "attempts = 1\nconnect_timeout_seconds = 2\n"
    )


def test_a_bucket_that_can_be_used_is_good(command_line, s3):
    bucket = s3.new_bucket()
    with_bucket(command_line, bucket, s3.url)
    status, found = diagnose(command_line)
    assert (status, found["blobs"]) == (
        0,
        ("ok", f"bucket {bucket} at {s3.url}: put, get, delete work"),
    )
    assert s3.leftovers(bucket) == []


def test_a_bucket_that_does_not_exist_is_bad(started, s3):
    with_bucket(started, "no-such-bucket", s3.url)
    status, found = diagnose(started)
    assert (status, found["blobs"][0]) == (1, "bad")
    assert found["blobs"][1].startswith(f"bucket no-such-bucket at {s3.url}: ")


def test_a_store_that_is_away_is_bad(started):
    with_bucket(started, "drive", "http://127.0.0.1:1")
    status, found = diagnose(started)
    assert (status, found["blobs"][0]) == (1, "bad")
    assert found["blobs"][1] == (
        "bucket drive at http://127.0.0.1:1: The blob store does not answer."
    )


# --- Certificate ----------------------------------------------------------------------------


def test_a_certificate_that_holds_is_good(started):
    with_certificate(started)
    status, found = diagnose(started)
    assert (status, found["certificate"][0]) == (0, "ok")
    assert found["certificate"][1].endswith(", 89 days")


def test_a_certificate_that_ends_soon_is_a_warning(started):
    with_certificate(started, days=1.5)
    status, found = diagnose(started)
    assert (status, found["certificate"][0]) == (0, "warning")
    assert found["certificate"][1].endswith(", 1 day: renew it soon")


def test_a_certificate_that_has_just_run_out_is_bad(started):
    certificate, _ = with_certificate(started, days=-0.01)
    status, found = diagnose(started)
    assert (status, found["certificate"][0]) == (1, "bad")
    assert found["certificate"][1].startswith("ran out on ")
    assert found["certificate"][1].endswith(f"; renew {certificate}")


def test_a_certificate_that_does_not_hold_yet_is_bad(started):
    with_certificate(started, begins_in_days=1)
    status, found = diagnose(started)
    assert (status, found["certificate"][0]) == (1, "bad")
    assert found["certificate"][1].startswith("holds only from ")


def test_a_certificate_for_another_host_is_bad(started):
    with_certificate(started, hosts=("other.example.org",))
    status, found = diagnose(started)
    assert (status, found["certificate"]) == (
        1,
        ("bad", "is not for drive.example.org but for other.example.org; get one that is"),
    )


def test_a_certificate_with_another_s_key_is_bad(started):
    certificate, key = with_certificate(started)
    make_certificate(started.folder, name="other")
    (started.folder / "other.key").rename(key)
    status, found = diagnose(started)
    assert (status, found["certificate"]) == (
        1,
        ("bad", f"The key {key} does not belong to {certificate}."),
    )


@pytest.mark.parametrize("missing", ["server.crt", "server.key"])
def test_a_missing_certificate_or_key_is_bad(started, missing):
    with_certificate(started)
    (started.folder / missing).unlink()
    status, found = diagnose(started)
    assert (status, found["certificate"]) == (
        1,
        ("bad", f"{started.folder / missing} can't be read: No such file or directory."),
    )


def test_no_certificate_where_others_can_connect_is_bad(started):
    started.configure('[server]\nhost = "0.0.0.0"\n')
    status, found = diagnose(started)
    assert (status, found["certificate"][0]) == (1, "bad")
    assert "set [server] tls_certificate and tls_key" in found["certificate"][1]


def test_no_certificate_is_needed_behind_a_proxy_that_has_one(started):
    started.configure('[server]\nhost = "0.0.0.0"\npublic_url = "https://drive.example.org"\n')
    status, found = diagnose(started)
    assert (status, found["certificate"][0]) == (0, "ok")


# --- Secrets --------------------------------------------------------------------------------


def test_no_secret_is_shown_however_bad_it_is(bare_command_line):
    certificate, key = make_certificate(bare_command_line.folder)
    key.write_text("planted")
    bare_command_line.configure(
        '[database]\nurl = "postgresql://app:planted@127.0.0.1:1/drive"\n'
        "busy_timeout_seconds = 0.1\n"
        '[secrets]\nkeys = "planted"\n'
        f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        '[blobs]\nkind = "s3"\nbucket = "b"\nendpoint_url = "http://127.0.0.1:1"\nattempts = 1\n'
        'access_key_id = "planted"\nsecret_access_key = "planted"\n[log]\nlevel = "debug"\n'
    )
    for words in (["doctor"], ["doctor", "--json"]):
        result = bare_command_line(*words)
        assert result.exit_code == 1
        assert "planted" not in result.output


def test_a_key_that_something_was_sealed_by_must_be_at_hand(started):
    key_file = started.folder / "data" / "davserver.keys"
    key_id = key_file.read_text().splitlines()[-1].split()[0]
    key_file.unlink()
    status, found = diagnose(started)
    assert (status, found["sealing keys"]) == (
        1,
        ("bad", f"{key_id} missing: put back from your copy of the key file"),
    )
