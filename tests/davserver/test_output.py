import json

import pytest

from davserver.output import count, print_json, print_json_array, print_table

HOSTILE = "a\x1b[31mred\x07\r\nb\x9b31m\u202ec\ud800"


def printed_lines(capsys):
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("cell", ["device:secret:issued", ":smile:", "[red]x[/red]", "[/]"])
def test_a_cell_is_shown_as_it_is(capsys, cell):
    print_table(("what",), [(cell,)])
    assert printed_lines(capsys)[1].rstrip() == cell


def test_a_cell_can_neither_break_its_line_nor_steer_the_terminal(capsys):
    print_table(("what",), [(HOSTILE,)])
    [_, line] = printed_lines(capsys)
    assert line.rstrip() == "a\\x1b[31mred\\x07\\r\\nb\\x9b31m\\u202ec\\ud800"


def test_joined_emoji_stay_joined(capsys):
    print_table(("label",), [("👩\u200d💻",)])
    assert "👩\u200d💻" in printed_lines(capsys)[1]


def test_a_long_cell_is_not_cut_where_there_is_no_terminal(capsys):
    print_table(("label", "what"), [("x" * 300, "y")])
    assert f"{'x' * 300}  y" in printed_lines(capsys)[1]


def test_nothing_is_an_empty_cell(capsys):
    print_table(("a", "b"), [(None, "x")])
    assert printed_lines(capsys)[1].split() == ["x"]


def test_json_comes_back_as_it_was(capsys):
    value = {"label": HOSTILE, "größe": [1, None]}
    print_json(value)
    assert json.loads(capsys.readouterr().out) == value


def test_json_holds_nothing_that_a_terminal_would_obey(capsys):
    print_json(HOSTILE)
    assert capsys.readouterr().out.strip().isprintable()


def test_json_spells_letters_as_people_do(capsys):
    print_json("größe")
    assert capsys.readouterr().out == '"größe"\n'


@pytest.mark.parametrize("values", [[], [1], [{"a": 1}, {"a": 2}]])
def test_an_array_that_comes_bit_by_bit_is_one_array(capsys, values):
    print_json_array(iter(values))
    assert json.loads(capsys.readouterr().out) == values


@pytest.mark.parametrize(("number", "words"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_a_count_is_in_the_plural_unless_it_is_one(number, words):
    assert count(number, "step") == words
