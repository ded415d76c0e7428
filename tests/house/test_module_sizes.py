"""A module fits into one head: 400 lines at most. Split by subject, not by kind."""

import re

import pytest

from tests.house.tree import ROOT, modules

LONGEST = 400
STEPS = sorted((ROOT / "storage/migrations/versions").glob("*.py"))
MODULES = [module for module in modules() if module.path not in STEPS]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.file)
def test_a_module_is_not_too_long(module):
    assert module.lines <= LONGEST


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.file)
def test_a_module_says_what_lives_in_it(module):
    is_empty = module.lines == 0
    assert is_empty or re.match(r'"""\S', module.path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.file)
def test_a_module_is_named_for_its_subject(module):
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc", "core"}
    assert module.path.stem not in vague


def test_migrations_are_numbered_without_gaps():
    assert [step.name[:4] for step in STEPS] == [f"{n:04}" for n in range(1, len(STEPS) + 1)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_a_migration_is_named_for_what_it_does(step):
    assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*\.py", step.name)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_a_migration_follows_the_one_before(step):
    text = step.read_text(encoding="utf-8")
    number = int(step.name[:4])
    before = f'"{number - 1:04}"' if number > 1 else "None"
    assert f'revision = "{number:04}"\ndown_revision = {before}\n' in text
