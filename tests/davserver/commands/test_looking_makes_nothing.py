"""A command that only looks, run in the wrong folder, makes no install there."""

import pytest

LOOKS = [
    ["account", "list"],
    ["audit", "export"],
    ["audit", "tail"],
    ["audit", "verify"],
    ["db", "status"],
    ["db", "upgrade"],
    ["device", "issue", "--account", "home", "--label", "Phone"],
    ["device", "list"],
    ["device", "rename", "1", "Phone"],
    ["device", "revoke", "1"],
    ["device", "rotate", "1"],
]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_where_there_is_no_database_a_command_says_so_and_makes_nothing(bare_command_line, words):
    result = bare_command_line(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "davserver: There is no database at data/davserver.db; start the server first, or name "
        "the configuration with --config.\n"
    )
    assert [path.name for path in bare_command_line.folder.iterdir()] == ["davserver.toml"]


def test_the_first_account_may_be_opened_before_the_first_start(bare_command_line):
    opened = bare_command_line.json("account", "create", "home", "--owner", "a@example.org")
    assert opened["id"] == 1
