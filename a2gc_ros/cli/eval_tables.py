"""The tables of ``a2gc eval``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from a2gc_ros.cli.base.output import figures_table, print_whole
from a2gc_ros.evaluation.tables import DIFFERS

KS = (1, 5, 10, 20)


def show(found: Sequence[dict[str, Any]]) -> None:
    """Prints what was measured, a table for each data set, with published figures below our own."""
    console = Console()
    for name in dict.fromkeys(entry["dataset"] for entry in found):
        _show_dataset(console, [entry for entry in found if entry["dataset"] == name])


def _show_dataset(console: Console, entries: Sequence[dict[str, Any]]) -> None:
    first = entries[0]
    console.print(f"[bold]{escape(first['dataset'])}[/bold]  {escape(first['protocol'])}", highlight=False)
    console.print(
        f"{first['queries']:,} queries ({first['answerable']:,} with a right image), {first['database']:,} database "
        f"images; read from {first['layout']}",
        highlight=False,
    )
    if first["differs"]:
        console.print(f"[yellow]{DIFFERS} {escape(first['differs'])}: not comparable with published figures[/yellow]")
    table = figures_table("", ("dims", "bytes in\na map", "ms an\nimage", *(f"R@{k}" for k in KS)))
    for entry in entries:
        sizes = (f"{entry['descriptor_dim']:,}", f"{entry['descriptor_bytes']:,}", f"{entry['image_ms']:.1f}")
        table.add_row(f"[bold]{escape(entry['row'])}[/bold]", *sizes, *_recalls(entry["recall"]))
        if "interval" in entry:
            spreads = (entry["interval"][str(k)] for k in KS)
            spread = (f"{100 * low:.1f}–{100 * high:.1f}" for low, high in spreads)
            table.add_row("  95 % interval", "", "", "", *spread)
        for smaller in entry["compressed"]:
            size = f"{smaller['descriptor_bytes']:,}"
            table.add_row(f"  {smaller['name']}", "", size, "", *_recalls(smaller["recall"]))
    table.add_section()
    notes: dict[str, None] = {}
    for figure in first["published"]:
        mark = f"{DIFFERS} " if figure["differs"] or first["differs"] else ""
        values = [f"{figure['recall'][k]:.1f}" if k in figure["recall"] else "–" for k in KS]
        dims = "–" if figure["dim"] is None else f"{figure['dim']:,}"
        table.add_row(f"{mark}{figure['method']} ({figure['backbone']})", dims, "", "", *values)
        if figure["differs"]:
            notes[f"{DIFFERS} {figure['method']} ({figure['backbone']}): {figure['differs']}"] = None
    print_whole(console, table)
    print_whole(console, _curves(entries))
    for note in notes:
        console.print(escape(note), highlight=False)
    for url in dict.fromkeys(figure["url"] for figure in first["published"]):
        console.print(f"published: {url}", highlight=False, soft_wrap=True)


def _recalls(recall: dict[str, float]) -> list[str]:
    return [_percent(recall[str(k)]) for k in KS]


def _curves(entries: Sequence[dict[str, Any]]) -> Table:
    """What the best match of each query is worth, as the threshold on its similarity falls."""
    names = ("average_precision", "recall_at_precision_100", "recall_at_precision_99", "extended_precision")
    titles = ("average\nprecision", "recall at 100 %\nprecision", "recall at 99 %\nprecision", "extended\nprecision")
    table = figures_table("best match above a threshold", titles)
    for entry in entries:
        table.add_row(f"[bold]{escape(entry['row'])}[/bold]", *(_percent(entry[name]) for name in names))
    return table


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
