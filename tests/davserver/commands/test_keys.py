import stat

import pytest


def test_a_new_key_file_is_for_its_owner_only(bare_command_line):
    path = bare_command_line.folder / "keys"
    assert bare_command_line("keys", "new", path).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_key_is_named_and_never_shown(bare_command_line):
    path = bare_command_line.folder / "keys"
    made = bare_command_line("keys", "new", path)
    key_id, secret = path.read_text().splitlines()[-1].split()
    assert f"Wrote the key {key_id} to {path}" in made.stdout
    assert secret not in made.output


def test_json_has_exactly_what_scripts_rely_on(bare_command_line):
    path = bare_command_line.folder / "keys"
    made = bare_command_line.json("keys", "new", path)
    assert made == {"key_id": path.read_text().splitlines()[-1].split()[0], "file": str(path)}


def test_a_key_file_is_never_written_over(bare_command_line):
    path = bare_command_line.folder / "keys"
    bare_command_line("keys", "new", path)
    before = path.read_text()
    result = bare_command_line("keys", "new", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert path.read_text() == before


@pytest.mark.parametrize("path", ["file/keys", "file/deep/keys"])
def test_a_place_that_can_not_hold_a_key_file_is_one_sentence(bare_command_line, path):
    (bare_command_line.folder / "file").write_text("")
    result = bare_command_line("keys", "new", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_the_status_names_every_key_and_what_it_does(bare_command_line):
    names = key_file_of_two(bare_command_line)
    assert bare_command_line("keys", "status").stdout == (
        f"{names[0]}  seals and opens\n{names[1]}  opens only\n"
    )
    assert bare_command_line.json("keys", "status") == {
        "active": names[0],
        "decrypt_only": [names[1]],
    }


def test_the_status_shows_no_key(bare_command_line):
    key_file_of_two(bare_command_line)
    text = (bare_command_line.folder / "both").read_text()
    output = bare_command_line("keys", "status").output
    assert not [line for line in text.splitlines() if line.split()[1] in output]


def test_a_missing_key_file_says_how_to_make_one(bare_command_line):
    result = bare_command_line("keys", "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Make one with: davserver keys new" in result.stderr


def key_file_of_two(command_line):
    lines = []
    for name in ("first", "second"):
        path = command_line.folder / name
        command_line("keys", "new", path)
        lines.append(path.read_text().splitlines()[-1])
    both = command_line.folder / "both"
    both.write_text("\n".join(lines) + "\n")
    both.chmod(0o600)
    command_line.configure(f'[secrets]\nkey_file = "{both}"\n')
    return [line.split()[0] for line in lines]


def test_an_added_key_is_named_and_leads(bare_command_line):
    names = key_file_of_two(bare_command_line)
    added = bare_command_line.json("keys", "add")
    assert bare_command_line.json("keys", "status") == {
        "active": added["key_id"],
        "decrypt_only": names,
    }
