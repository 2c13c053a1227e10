"""What commands print: JSON for scripts, and tables whose figures are never cut off."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer

WIDEST = 1000


def echo_json(value: Any) -> None:
    """Prints a value as JSON; paths as text."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_whole(console: Console, table: Table) -> None:
    """Prints a table in its full width, be the output narrower, or a pipe without a width of its own."""
    needed = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
    before, console.width = console.width, max(console.width, needed)
    console.print(table)
    console.width = before
