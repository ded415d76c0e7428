"""The example file holds every setting of the code, with its default and a line of why."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.config import Config, load_config

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
SETTING = re.compile(r"(?P<unset># )?(?P<key>[a-z_0-9]+) = (?P<value>.+)")
SECTIONS = dict(Config())


def settings_in_example() -> dict[tuple[str, str], dict[str, str | bool]]:
    found = {}
    section, line_before = "", ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif match := SETTING.fullmatch(line):
            found[section, match["key"]] = {
                "is_unset": match["unset"] is not None,
                "value": match["value"],
                "has_reason": line_before.startswith("# ") and not SETTING.fullmatch(line_before),
            }
        line_before = line
    return found


def settings_in_code() -> dict[tuple[str, str], object]:
    """Every setting and its default; None for those that have none."""
    found = {}
    for name, section in SECTIONS.items():
        for key, value in section:
            found[name, key] = value.get_secret_value() if isinstance(value, SecretStr) else value
        found |= {(name, f"{key}_file"): None for key in section.names_with_files()}
    return found


def test_the_example_loads_as_the_defaults():
    assert load_config(EXAMPLE) == Config()


def test_every_setting_is_in_the_example():
    assert sorted(settings_in_code().keys() - settings_in_example().keys()) == []


def test_no_other_setting_is_in_the_example():
    assert sorted(settings_in_example().keys() - settings_in_code().keys()) == []


def test_settings_stand_in_the_order_of_the_code():
    plain = [place for place in settings_in_example() if place[1].removesuffix("_file") == place[1]]
    assert plain == [place for place in settings_in_code() if place in plain]


@pytest.mark.parametrize("place", settings_in_code(), ids=".".join)
def test_the_example_shows_the_default(place):
    shown, default = settings_in_example()[place], settings_in_code()[place]
    value = tomllib.loads(f"value = {shown['value']}")["value"]
    if default is None:
        assert shown["is_unset"]
    else:
        assert (shown["is_unset"], value) == (False, type(value)(default))


@pytest.mark.parametrize("place", settings_in_code(), ids=".".join)
def test_the_example_says_why(place):
    assert settings_in_example()[place]["has_reason"]
