"""What commands print: JSON for scripts, and tables whose figures are never cut off."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer

WIDEST = 1000


def echo_json(value: Any) -> None:
    """Prints a value as JSON; paths as text."""
    typer.echo(json.dumps(value, indent=2, default=str))


def echo_result(value: Any, sentence: str, *, as_json: bool) -> None:
    """Prints what came of a command: its value as JSON, or a sentence."""
    if as_json:
        echo_json(value)
    else:
        typer.echo(sentence)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table as wide as the output."""
    table = Table(*map(escape, titles))
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    Console().print(table)


def figures_table(head: str, titles: Iterable[str]) -> Table:
    """A table without lines, of a column of names and columns of figures; to be printed by :func:`print_whole`."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(head, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def print_whole(console: Console, table: Table) -> None:
    """Prints a table in its full width, be the output narrower, or a pipe without a width of its own."""
    needed = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
    before, console.width = console.width, max(console.width, needed)
    console.print(table)
    console.width = before
