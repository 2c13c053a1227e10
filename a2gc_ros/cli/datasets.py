"""``a2gc datasets``: which benchmarks are known by name, and what of them is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json

if TYPE_CHECKING:
    from a2gc_ros.evaluation.datasets.catalogue import Benchmark

datasets_app = typer.Typer(
    help="List the benchmarks that `a2gc eval` knows by name, and check what of them is on disk.",
)
SHOWN = 10


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.add_typer(datasets_app, name="datasets")


def usable() -> dict[str, Benchmark]:
    """The benchmarks that can be had, by name; what a package adds and cannot be loaded is told."""
    from a2gc_ros.evaluation.datasets.catalogue import benchmarks

    return benchmarks().usable(lambda sentence: typer.echo(sentence, err=True))


@datasets_app.command("list")
def list_datasets(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of data sets; then what is there is marked.", envvar="A2GC_DATA")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List benchmarks by the name of their protocol.

    Examples:
    `a2gc datasets list`

    `a2gc datasets list --data-root ~/data --json`
    """
    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "queries": entry.queries,
            "database": entry.database,
            "found": None if data_root is None else (layout.title if (layout := entry.found(data_root)) else ""),
        }
        for entry in usable().values()
    ]
    if as_json:
        echo_json(rows)
        return
    table = Table("name", "what", "queries", "database", *(["found"] if data_root else []))
    for row in rows:
        counts = [f"{row[key]:,}" if row[key] else "–" for key in ("queries", "database")]
        table.add_row(str(row["name"]), str(row["title"]), *counts, *([str(row["found"])] if data_root else []))
    Console().print(table)


@datasets_app.command()
def check(
    data_root: Annotated[Path, typer.Option(help="Folder of data sets.", envvar="A2GC_DATA", show_default=False)],
    name: Annotated[
        str | None,
        typer.Argument(help="A benchmark, as `list` shows it, or gsv_cities; all if not given.", show_default=False),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what is expected where, what is missing, where to get it, and under which terms.

    Exits with 1 where something is missing; without a name, where nothing is there.

    Examples:
    `a2gc datasets check --data-root ~/data`

    `a2gc datasets check pitts30k_test --data-root ~/data`

    `a2gc datasets check msls_val --data-root ~/data --json`
    """
    from a2gc_ros.evaluation.datasets import gsv_folder
    from a2gc_ros.evaluation.datasets.catalogue import benchmark, inspect

    if name is None:
        _check_all(data_root, as_json=as_json)
        return
    if name == gsv_folder.NAME:
        _check_gsv_cities(data_root, as_json=as_json)
        return
    entry = benchmark(name)
    found = inspect(entry, data_root)
    if as_json:
        facts: dict[str, Any] = {
            "name": entry.name,
            "complete": found.complete,
            "layout": found.layout,
            "queries": found.queries,
            "database": found.database,
            "missing": list(found.missing),
            "problem": found.problem,
            "expects": {layout.title: list(layout.expects()) for layout in entry.layouts},
            "source": entry.source,
            "terms": entry.terms,
        }
        echo_json(facts)
    else:
        for line in _report(entry, found, data_root):
            typer.echo(line)
    if not found.complete:
        raise typer.Exit(1)


def _check_all(root: Path, *, as_json: bool) -> None:
    """One line for each data set: where it was found, or what is missing first."""
    from a2gc_ros.evaluation.datasets import gsv_folder
    from a2gc_ros.evaluation.datasets.catalogue import nearest_missing

    gsv = gsv_folder.inspect(root)
    rows = [
        (gsv_folder.NAME, None if gsv.folder is None else f"{len(gsv.cities)} cities", gsv.missing, gsv_folder.SOURCE)
    ]
    for entry in usable().values():
        layout = entry.found(root)
        missing_here = () if layout else tuple(nearest_missing(entry, root))
        rows.append((entry.name, layout.title if layout else None, missing_here, entry.source))
    if as_json:
        keys = ("name", "found", "missing", "source")
        echo_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        table = Table("name", "found", "missing")
        for name, found, missing, _ in rows:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            table.add_row(name, found or "–", f"{missing[0]}{more}" if missing else "")
        Console().print(table)
        typer.echo("Where to get one and in which layouts it is read: a2gc datasets check NAME")
    if not any(found for _, found, _, _ in rows):
        raise typer.Exit(1)


def _check_gsv_cities(root: Path, *, as_json: bool) -> None:
    from a2gc_ros.evaluation.datasets import gsv_folder

    found = gsv_folder.inspect(root)
    if as_json:
        facts: dict[str, Any] = {
            "name": gsv_folder.NAME,
            "folder": None if found.folder is None else str(found.folder),
            "cities": list(found.cities),
            "missing": list(found.missing),
            "source": gsv_folder.SOURCE,
            "terms": gsv_folder.TERMS,
        }
        echo_json(facts)
    else:
        typer.echo(f"{gsv_folder.NAME}: what models are trained on")
        typer.echo(f"  expected below {root}: Dataframes/ and Images/ in {' or '.join(gsv_folder.FOLDERS)}")
        if found.folder is not None:
            typer.echo(f"  found: {found.folder}, {len(found.cities)} cities")
        for path in found.missing[:SHOWN]:
            typer.echo(f"  missing: {path}")
        typer.echo(f"  from: {gsv_folder.SOURCE}\n  terms: {gsv_folder.TERMS}")
    if found.missing:
        raise typer.Exit(1)


def _report(entry: Any, found: Any, root: Path) -> list[str]:
    lines = [f"{entry.name}: {entry.title}"]
    for number, layout in enumerate(entry.layouts):
        lines.append(f"  {'or' if number else 'expected'} below {root}, {layout.title}:")
        expects = list(layout.expects())
        lines += [f"    {path}" for path in expects[:SHOWN]]
        lines += [f"    … and {len(expects) - SHOWN} more"] if len(expects) > SHOWN else []
    if found.layout is not None:
        lines.append(f"  found: {found.layout}")
    if found.queries is not None:
        lines.append(f"  {found.queries:,} queries, {found.database:,} database images")
    if found.missing:
        lines.append(f"  missing ({len(found.missing):,}):")
        lines += [f"    {path}" for path in found.missing[:SHOWN]]
    elif found.problem:
        lines.append(f"  not as published: {found.problem}")
    return [*lines, f"  from: {entry.source}", f"  terms: {entry.terms}"]
