import bcrypt
import pytest
from sqlalchemy import select

from storage.identity.tables import users

PASSWORD = "correct horse battery"


def create(command_line, *words, name="home", stdin=None):
    return command_line(
        "account", "create", name, "--owner", "alice@example.org", *words, stdin=stdin
    )


def stored_hash(command_line):
    return command_line.write(lambda tx: tx.connection.scalar(select(users.c.password_hash)))


def test_an_account_is_opened_and_its_password_told_once(command_line):
    result = create(command_line)
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "Opened the account home (number 1, plan unlimited).",
        "Its owner signs in as alice@example.org.",
    ]
    assert lines[2].startswith("Password, shown only now: ")


def test_the_generated_password_is_the_owner_s(command_line):
    made = command_line.json("account", "create", "home", "--owner", "alice@example.org")
    assert bcrypt.checkpw(made["password"].encode(), stored_hash(command_line).encode())


def test_json_has_exactly_what_scripts_rely_on(command_line):
    made = command_line.json("account", "create", "home", "--owner", "Alice@Example.org")
    assert len(made.pop("password")) >= 20
    assert made == {"id": 1, "name": "home", "owner": {"id": 1, "email": "alice@example.org"}}


def test_a_password_that_was_given_is_not_shown(command_line):
    made = command_line.json(
        "account", "create", "home", "--owner", "alice@example.org", "--password-stdin",
        stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert "password" not in made


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nsecond line\n"], ids=ascii)
def test_a_given_password_is_the_first_line_without_its_end(command_line, end):
    result = create(command_line, "--password-stdin", stdin=PASSWORD + end)
    assert PASSWORD not in result.output
    assert bcrypt.checkpw(PASSWORD.encode(), stored_hash(command_line).encode())


def test_blanks_belong_to_a_password(command_line):
    create(command_line, "--password-stdin", stdin=f"  {PASSWORD}  \n")
    assert bcrypt.checkpw(f"  {PASSWORD}  ".encode(), stored_hash(command_line).encode())


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        ("", "A password needs at least 12 characters."),
        ("planted\n", "A password needs at least 12 characters."),
        ("planted" * 11, "A password may have at most 72 bytes; this one has 77."),
        ("planted\0planted", "A password must be text in UTF-8, without a NUL in it."),
        (b"planted\xffplanted\n", "The password on standard input is not text in UTF-8."),
    ],
)
def test_a_password_that_can_not_be_one_is_refused_unseen(command_line, stdin, sentence):
    result = create(command_line, "--password-stdin", stdin=stdin)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"davserver: {sentence}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["", "--owner", "a@b.org"], "An account's name has 1 to 64 characters that can be seen;"),
        (["x", "--owner", "alice"], "'alice' is no e-mail address; one looks like mary@"),
        (["x", "--owner", "a@b.org", "--plan", "gold"], "There is no plan 'gold'. These exist: "),
        (["home", "--owner", "a@b.org"], "There is an account 'home' already; choose another"),
        (["x", "--owner", "ALICE@example.org"], "alice@example.org signs in to another account"),
    ],
    ids=["name", "address", "plan", "name taken", "address taken"],
)
def test_a_refused_account_is_one_line_and_nothing_else(home, words, sentence):
    result = home("account", "create", *words, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"davserver: {sentence}")
    assert line.endswith(".")
    assert len(home.json("account", "list")) == 1


def test_a_plan_is_taken_as_named(command_line):
    create(command_line, "--plan", "nano")
    [account] = command_line.json("account", "list")
    assert account["plan"] == "nano"


def test_a_list_has_exactly_what_scripts_rely_on(home):
    [account] = home.json("account", "list")
    assert account.pop("created_at").endswith("+00:00")
    assert account == {"id": 1, "name": "home", "plan": "unlimited", "status": "active"}


def test_a_list_is_a_table_for_people(home):
    heading, row = home("account", "list").stdout.splitlines()
    assert heading.split() == ["id", "name", "plan", "status", "created"]
    assert row.split()[:4] == ["1", "home", "unlimited", "active"]


def test_an_empty_list_says_how_to_go_on(command_line):
    result = command_line("account", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "davserver account create NAME --owner EMAIL" in result.stderr
