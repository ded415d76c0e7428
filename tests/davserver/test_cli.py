import json
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from davserver.cli import main
from tests.running_server import program

COMMANDS = {
    "account": {"create", "list"},
    "audit": {"tail", "verify", "export"},
    "config": {"check", "show"},
    "db": {"upgrade", "status"},
    "device": {"issue", "list", "revoke"},
    "keys": {"new", "status"},
    "lock": {"list", "break"},
    "quota": {"recalc"},
    "trash": {"list", "restore", "empty"},
    "version": {"list", "restore"},
}
SINGLE = {"doctor", "fsck", "gc", "serve"}
EVERY_COMMAND = [
    *([group, name] for group, names in COMMANDS.items() for name in sorted(names)),
    *([name] for name in sorted(SINGLE)),
]
HEAVY = ("boto3", "botocore", "s3transfer", "psycopg", "moto", "flask", "jwt")


def run_process(*words, folder, **kwargs):
    return subprocess.run(
        program(*words), cwd=folder, capture_output=True, text=True, timeout=60, **kwargs
    )


def test_help_names_every_command(bare_command_line):
    shown = re.findall(r"^  ([a-z]+)  ", bare_command_line("--help").stdout, re.MULTILINE)
    assert set(shown) == set(COMMANDS) | SINGLE


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_help_of_a_command_says_what_it_does(bare_command_line, words):
    result = bare_command_line(*words, "--help")
    assert result.exit_code == 0
    assert re.search(r"\n\n  [A-Z].*\.\n\nOptions", result.stdout, re.DOTALL)


@pytest.mark.parametrize("words", [w for w in EVERY_COMMAND if w != ["serve"]], ids=" ".join)
def test_every_command_that_prints_things_can_print_json(bare_command_line, words):
    assert "--json" in bare_command_line(*words, "--help").stdout


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_no_command_takes_a_password_as_an_argument(bare_command_line, words):
    options = re.findall(r"--[a-z-]+", bare_command_line(*words, "--help").stdout)
    assert not {"--password", "--secret", "--key", "--token"} & set(options)


@pytest.mark.parametrize(
    "words",
    [["frobnicate"], ["account", "frobnicate"], ["doctor", "--frobnicate"], ["account", "create"],
     ["device", "revoke", "--account", "home", "seven"], ["audit", "tail", "-n", "0"],
     ["device", "issue", "--account", "home", "--label", "x", "--expires-in-days", "soon"],
     ["audit", "export", "--format", "xml"], ["serve", "--once-ready-fd", "999"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_status_2_and_prints_nothing(bare_command_line, words):
    result = bare_command_line(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: davserver")


def test_wrong_usage_makes_nothing(bare_command_line):
    bare_command_line("account", "create")
    assert [path.name for path in bare_command_line.folder.iterdir()] == ["davserver.toml"]


def test_the_version_is_the_package_s(bare_command_line):
    assert bare_command_line("--version").stdout == f"davserver, version {version('davserver')}\n"


def test_a_missing_configuration_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "none.toml"
    result = CliRunner().invoke(main, ["--config", str(path), "account", "list"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"davserver: There is no configuration file {path}. Copy config.example.toml there, "
        "or leave --config out to use the embedded default.\n"
    )


def test_each_fault_of_a_configuration_is_a_line_of_its_own(bare_command_line):
    bare_command_line.configure('[server]\nport = "x"\nhots = "y"\n')
    lines = bare_command_line("config", "check").stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("davserver: [server] ") for line in lines)


def test_the_environment_may_name_the_configuration(bare_command_line, monkeypatch):
    bare_command_line.configure("[server]\nport = 8999\n")
    monkeypatch.setenv("DAVSERVER_CONFIG", str(bare_command_line.config_path))
    result = CliRunner().invoke(main, ["config", "show", "--json"])
    assert json.loads(result.stdout)["server"]["port"] == 8999


def test_the_option_wins_over_the_environment(bare_command_line, monkeypatch):
    monkeypatch.setenv("DAVSERVER_CONFIG", "elsewhere.toml")
    assert bare_command_line("config", "check").exit_code == 0


def test_without_a_configuration_all_is_kept_in_the_folder_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["account", "create", "home", "--owner", "alice@example.org"]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert {path.name for path in (tmp_path / "data").iterdir()} == {
        "blobs",
        "davserver.db",
        "davserver.keys",
    }


def test_what_the_system_refuses_is_a_sentence_too(bare_command_line):
    blocked = bare_command_line.folder / "file"
    blocked.write_text("")
    bare_command_line.configure(f'[database]\nurl = "sqlite:///{blocked}/davserver.db"\n')
    result = bare_command_line("account", "list")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert str(blocked) in result.stderr


def test_a_mistake_of_ours_is_logged_without_secrets_and_owned(home):
    secret = "dsync_" + "x" * 38
    home.issue_device(1)
    statement = f"UPDATE devices SET issued_via = '{secret}'"
    home.write(lambda tx: tx.connection.exec_driver_sql(statement))
    result = home("device", "list")
    assert result.exit_code == 1
    assert "ValueError" in result.stderr
    assert "x" * 38 not in result.stderr
    assert result.stderr.splitlines()[-1] == (
        "davserver: This is a mistake in davserver; please report the lines above."
    )


def test_a_refusal_reads_the_same_from_both_programs(tmp_path):
    script = Path(sysconfig.get_path("scripts")) / "davserver"
    words = ["--config", "none.toml", "account", "list"]
    from_script = subprocess.run(
        [script, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    from_module = run_process(*words, folder=tmp_path)
    assert from_script.returncode == from_module.returncode == 1
    assert from_script.stderr == from_module.stderr


def test_json_is_all_that_a_real_process_prints(tmp_path):
    result = run_process("config", "check", "--json", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"ok": True, "embedded": True}


def test_a_reader_that_leaves_early_is_no_error_to_tell(home):
    for number in range(3):
        home.open_account(f"account-{number}")
    process = subprocess.Popen(
        program("--config", home.config_path, "audit", "export"),
        cwd=home.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (1, b"")


@pytest.mark.parametrize("words", [["--help"], ["config", "check"], ["account", "list"]])
def test_nothing_is_imported_that_the_command_does_not_need(tmp_path, words):
    code = (
        "import atexit, sys; from davserver.cli import main; "
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules], "
        f"file=sys.stderr)); main({words!r})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert result.stderr.splitlines()[-1] == "[]"
