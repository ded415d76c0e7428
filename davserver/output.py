"""How commands print: tables and sentences for people, one JSON value for scripts.

With `--json`, standard output carries that one value and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from davserver.masking import escape

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")

# What a terminal or an editor would obey or hide. JSON may spell each of them by its number.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def print_json(value: object) -> None:
    """Print one JSON object or array."""
    click.echo(to_json(value, indent=2))


def print_json_array(values: Iterable[object]) -> None:
    """Print one JSON array, each of its values as soon as it comes."""
    start = "["
    for value in values:
        click.echo(f"{start}\n{to_json(value)}", nl=False)
        start = ","
    click.echo("[]" if start == "[" else "\n]")


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON that people can read too, with nothing in it that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign.group()):04x}", text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table that is only as wide as it needs to be.

    Every cell is shown as it is: what looks like markup or like an emoji's name stays that.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else escape(str(cell))) for cell in row))
    _console().print(table)


def print_line(text: str = "") -> None:
    """Print a line as it is."""
    click.echo(text)


def print_hint(text: str) -> None:
    """Print a line for a person on standard error, where it disturbs no script."""
    click.echo(text, err=True)


def count(number: int, thing: str) -> str:
    """Return a number and its thing, in the plural where there is not one of it."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def day(value: object) -> str:
    """Return a time as people read it in a table; nothing for none."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"


def _console() -> Console:
    """Return a console on standard output; what is no terminal has no width to fold at."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=1000)
