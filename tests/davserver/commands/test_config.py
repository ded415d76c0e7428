import json

import pytest

PLANTED = "planted words"
WITH_SECRETS = """
[database]
url = "postgresql://app:planted@db.example.org/drive?sslmode=require"
[blobs]
kind = "s3"
bucket = "drive"
access_key_id = "planted words"
secret_access_key = "planted words"
[secrets]
keys = "planted words"
"""


def test_a_good_configuration_is_fine(bare_command_line):
    path = bare_command_line.config_path
    assert bare_command_line("config", "check").stdout == f"The configuration is fine ({path}).\n"


def test_a_good_configuration_says_whether_it_is_embedded(bare_command_line):
    assert bare_command_line.json("config", "check") == {"ok": True, "embedded": True}
    good_key = f"k1:{'A' * 43}"
    bare_command_line.configure(
        WITH_SECRETS.replace('keys = "planted words"', f'keys = "{good_key}"')
    )
    assert bare_command_line.json("config", "check") == {"ok": True, "embedded": False}


def test_a_refused_configuration_prints_nothing_on_standard_output(bare_command_line):
    bare_command_line.configure("[server]\nhots = 1\n")
    result = bare_command_line("config", "check", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("davserver: [server] hots is not a setting;")


def test_checking_makes_nothing(bare_command_line):
    bare_command_line("config", "check")
    bare_command_line("config", "show")
    assert [path.name for path in bare_command_line.folder.iterdir()] == ["davserver.toml"]


def test_every_setting_is_shown_as_it_is_in_force(bare_command_line, monkeypatch):
    monkeypatch.setenv("DAVSERVER_SERVER__PORT", "8999")
    lines = bare_command_line("config", "show").stdout.splitlines()
    shown = [" ".join(line.split()) for line in lines]
    assert "server.port 8999" in shown
    assert "blobs.bucket (not set)" in shown
    assert "database.url sqlite:///data/davserver.db" in shown


def test_shown_as_json_it_is_the_sections_with_their_settings(bare_command_line):
    shown = bare_command_line.json("config", "show")
    assert {"server", "database", "blobs", "secrets", "log"} <= set(shown)
    assert shown["log"] == {"format": "auto", "level": "info"}


def test_secrets_are_masked(bare_command_line):
    bare_command_line.configure(WITH_SECRETS)
    for words in (["config", "show"], ["config", "show", "--json"]):
        output = bare_command_line(*words).output
        assert "planted" not in output
        assert "db.example.org/drive?sslmode=require" in output


def test_whether_a_secret_is_set_can_be_seen(bare_command_line):
    bare_command_line.configure(WITH_SECRETS)
    shown = json.loads(bare_command_line("config", "show", "--json").stdout)
    assert set(shown["blobs"]["secret_access_key"]) == {"*"}
    assert shown["secrets"]["key_file"] is None


@pytest.mark.parametrize(
    "text",
    [
        '[secrets]\nkey_file = "none"\n',
        '[secrets]\nkeys = "none"\n',
        '[server]\ntls_certificate = "none"\ntls_key = "none"\n',
    ],
    ids=["key file", "keys", "certificate"],
)
def test_what_a_start_could_not_read_is_not_fine(bare_command_line, text):
    bare_command_line.configure(text)
    result = bare_command_line("config", "check")
    assert (result.exit_code, result.stdout) == (1, "")
