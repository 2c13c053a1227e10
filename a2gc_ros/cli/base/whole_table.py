"""Tables whose figures are never cut off."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

WIDEST = 1000


def print_whole(console: Console, table: Table) -> None:
    """Prints a table in its full width, be the output narrower, or a pipe without a width of its own."""
    needed = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
    before, console.width = console.width, max(console.width, needed)
    console.print(table)
    console.width = before
