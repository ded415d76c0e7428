"""Time and chance have one door each; everybody else is handed them."""

import ast

import pytest

from tests.house.tree import modules

CLOCK = "storage/clock.py"
CHANCE = "storage/randomness.py"

# What may not be used, however it was imported, outside of its home.
FORBIDDEN = {
    "datetime.date.today": CLOCK,
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.today": CLOCK,
    "datetime.datetime.utcnow": CLOCK,
    "time.localtime": CLOCK,
    "time.gmtime": CLOCK,
    "time.monotonic": CLOCK,
    "time.monotonic_ns": CLOCK,
    "time.perf_counter": CLOCK,
    "time.perf_counter_ns": CLOCK,
    "time.sleep": CLOCK,
    "time.time": CLOCK,
    "time.time_ns": CLOCK,
    "os.getrandom": CHANCE,
    "os.urandom": CHANCE,
    "random": CHANCE,
    "secrets": CHANCE,
    "uuid.uuid1": CHANCE,
    "uuid.uuid4": CHANCE,
}


def names_in(syntax):
    """What each name at hand stands for: `from time import sleep as nap` → nap: time.sleep."""
    found = {}
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            found |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return found


def spelled(node, names):
    """The full name of what a node refers to, or None when it is no plain name."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = spelled(node.value, names)
        return f"{owner}.{node.attr}" if owner else None
    return None


def uses(source):
    """Every forbidden thing that a source uses, with its line."""
    syntax = ast.parse(source)
    names = names_in(syntax)
    found = set()
    for node in ast.walk(syntax):
        name = spelled(node, names) if isinstance(node, ast.Name | ast.Attribute) else None
        for word in FORBIDDEN:
            if name is not None and (name == word or name.startswith(f"{word}.")):
                found.add((word, node.lineno))
    return sorted(found)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.file)
def test_time_and_chance_come_in_through_their_door(module):
    found = uses(module.path.read_text(encoding="utf-8"))
    assert [
        f"{word} in line {line}" for word, line in found if FORBIDDEN[word] != module.file
    ] == []


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("import time\ntime.sleep(1)", "time.sleep"),
        ("import time as t\nt.time()", "time.time"),
        ("from time import sleep as nap\nnap(1)", "time.sleep"),
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("import datetime as d\nd.datetime.utcnow()", "datetime.datetime.utcnow"),
        ("import random\nrandom.choice([])", "random"),
        ("from secrets import token_hex\ntoken_hex()", "secrets"),
        ("import os\nwait = os.urandom", "os.urandom"),
        ("from uuid import uuid4\nuuid4()", "uuid.uuid4"),
        ("def f():\n    import time\n    time.monotonic()", "time.monotonic"),
    ],
    ids=lambda value: value.replace("\n", "; "),
)
def test_a_way_around_the_door_is_seen(source, word):
    assert [found for found, _ in uses(source)] == [word] or {f for f, _ in uses(source)} == {word}


def test_a_variable_that_is_only_called_random_is_no_way_around():
    assert uses("def f(random):\n    return random(3)") == []
