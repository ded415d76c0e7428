import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.identity.tables import devices
from storage.randomness import is_well_formed_secret


def issue(command_line, *words):
    return command_line("device", "issue", "--account", "home", "--label", "Phone", *words)


def issue_json(command_line, *words):
    return command_line.json("device", "issue", "--account", "home", "--label", "Phone", *words)


def test_an_issued_device_is_shown_with_all_that_a_client_asks_for(home):
    result = issue(home)
    device, address, user, password = result.stdout.splitlines()
    assert device == "Device 1, Phone: drive:account:read, drive:account:write"
    assert address == "Address:  http://127.0.0.1:8080/dav/files/"
    assert user == "User:     alice@example.org"
    assert is_well_formed_secret(password.removeprefix("Password: "), "dsync_")
    assert "shown only now" in result.stderr


def test_json_has_exactly_what_scripts_rely_on(home):
    made = issue_json(home)
    assert is_well_formed_secret(made.pop("password"), "dsync_")
    assert made == {
        "id": 1,
        "label": "Phone",
        "username": "alice@example.org",
        "server_url": "http://127.0.0.1:8080/dav/files/",
        "scopes": ["drive:account:read", "drive:account:write"],
        "mailbox": None,
        "expires_at": None,
    }


def test_the_shown_password_is_the_one_whose_hash_is_kept(home):
    made = issue_json(home)
    kept = home.write(lambda tx: tx.connection.scalar(select(devices.c.secret_hash)))
    assert kept == hashlib.sha256(made["password"].encode()).digest()


def test_the_address_is_the_one_that_the_world_knows(home):
    home.configure('[server]\npublic_url = "https://drive.example.org/"\n')
    assert issue_json(home)["server_url"] == "https://drive.example.org/dav/files/"


def test_scopes_are_those_that_were_asked_for(home):
    made = issue_json(home, "--scope", "drive:account:share", "--scope", "drive:account:read")
    assert made["scopes"] == ["drive:account:read", "drive:account:share"]


def test_an_expiry_is_so_many_days_from_now(home):
    before = datetime.now(UTC)
    made = issue_json(home, "--expires-in-days", "30")
    expires_at = datetime.fromisoformat(made["expires_at"])
    assert timedelta(0) <= expires_at - before - timedelta(days=30) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--account", "other"], "There is no account 'other'. See: davserver account list"),
        (["--label", ""], "A label has 1 to 64 characters that can be seen; "),
        (["--scope", "drive:everything"], "There is no scope 'drive:everything'. These exist: "),
        (["--scope", "drive:account:write"], "No device can go without drive:account:read."),
        (["--scope", "drive:mailbox:read"], "A device for the whole account can't have drive:m"),
        (["--expires-in-days", "0"], "A device may live 1 to 3650 days, or without an end."),
    ],
    ids=["account", "label", "scope", "without read", "family", "expiry"],
)
def test_a_refused_device_is_one_sentence_and_nothing_else(home, words, sentence):
    result = issue(home, *words, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"davserver: {sentence}")
    assert len(result.stderr.splitlines()) == 1
    assert home.json("device", "list", "--account", "home") == []


def test_a_list_has_exactly_what_scripts_rely_on(home):
    issue(home)
    [device] = home.json("device", "list", "--account", "home")
    assert device.pop("created_at").endswith("+00:00")
    assert device == {
        "id": 1,
        "label": "Phone",
        "scopes": ["drive:account:read", "drive:account:write"],
        "mailbox": None,
        "issued_via": "cli",
        "issued_by": "command line",
        "expires_at": None,
        "last_used_at": None,
        "revoked_at": None,
        "state": "active",
    }


def test_a_list_is_a_table_for_people(home):
    issue(home, "--label", ":smile: [b]")
    heading, row = home("device", "list", "--account", "home").stdout.splitlines()
    assert " ".join(heading.split()) == "id label state scopes created expires last used"
    assert row.startswith("1   :smile: [b]  active  drive:account:read, drive:account:write  ")
    assert row.rstrip().endswith("never")


def test_no_list_shows_a_password(home):
    password = issue_json(home)["password"]
    assert password not in home("device", "list", "--account", "home").output
    assert password not in home("device", "list", "--account", "home", "--json").output


def test_an_empty_list_says_how_to_go_on(home):
    result = home("device", "list", "--account", "home")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "davserver device issue --account home --label LABEL" in result.stderr


def test_a_revoked_device_is_named(home):
    issue(home)
    result = home("device", "revoke", "--account", "home", "1")
    assert result.stdout == "Revoked device 1, Phone. No other device is affected.\n"


def test_revoking_gives_the_device_as_it_is_now(home):
    issue(home)
    ended = home.json("device", "revoke", "--account", "home", "1")
    assert ended["revoked_at"] is not None
    assert [ended] == home.json("device", "list", "--account", "home")


def test_revoking_twice_says_so_and_is_no_error(home):
    issue(home)
    home("device", "revoke", "--account", "home", "1")
    result = home("device", "revoke", "--account", "home", "1")
    assert (result.exit_code, result.stdout) == (0, "Device 1, Phone, had been revoked before.\n")


@pytest.mark.parametrize("number", ["2", "0", "99999999999999999999"])
def test_a_device_that_is_not_there_can_not_be_revoked(home, number):
    issue(home)
    result = home("device", "revoke", "--account", "home", number, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"davserver: There is no device {number}. See: davserver device list\n"


def test_bobs_device_can_not_be_revoked_in_alices_name(home):
    number = home.issue_device(home.open_account("neighbour"))
    result = home("device", "revoke", "--account", "home", number)
    assert result.stderr == f"davserver: There is no device {number}. See: davserver device list\n"
    [device] = home.json("device", "list", "--account", "neighbour")
    assert device["state"] == "active"


def test_a_reason_too_long_to_keep_is_refused(home):
    issue(home)
    result = home("device", "revoke", "--account", "home", "1", "--reason", "x" * 65)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("davserver: A reason has 1 to 64 characters")


def test_every_accounts_devices_are_listed_where_none_is_named(home):
    issue(home)
    home.issue_device(home.open_account("neighbour"))
    assert [device["id"] for device in home.json("device", "list")] == [1, 2]


def test_a_device_is_revoked_by_its_number_alone(home):
    issue(home)
    assert home.json("device", "revoke", "1")["state"] == "revoked"


def test_a_renamed_device_keeps_its_password(home):
    issue(home)
    query = select(devices.c.secret_hash)
    before = home.write(lambda tx: tx.connection.scalar(query))
    assert home.json("device", "rename", "1", "Tablet")["label"] == "Tablet"
    assert home.write(lambda tx: tx.connection.scalar(query)) == before


def test_a_rotated_device_is_revoked_and_replaced_by_one_alike(home):
    issue(home, "--expires-in-days", "30")
    made = home.json("device", "rotate", "1")
    old, new = home.json("device", "list")
    assert (made["id"], old["state"], new["state"]) == (2, "revoked", "active")
    assert (new["label"], new["scopes"]) == (old["label"], old["scopes"])
    rotated_from = home.write(
        lambda tx: tx.connection.scalars(select(devices.c.rotated_from)).all()
    )
    assert rotated_from == [None, 1]


def test_a_revoked_device_is_not_rotated(home):
    issue(home)
    home("device", "revoke", "1")
    result = home("device", "rotate", "1")
    assert result.stderr == "davserver: Device 1 is revoked. Issue a new one.\n"
