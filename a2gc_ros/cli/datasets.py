"""``a2gc datasets``: which benchmarks are known by name, and what of them is on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import group
from a2gc_ros.cli.base.output import echo_json, echo_result, print_table

if TYPE_CHECKING:
    from a2gc_ros.evaluation.datasets.catalogue import Benchmark

datasets_app = group(
    "datasets", "List the benchmarks that `a2gc eval` knows by name, and check what of them is on disk."
)
SHOWN = 10


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
    cells = []
    for row in rows:
        counts = [f"{row[key]:,}" if row[key] else "–" for key in ("queries", "database")]
        cells.append((row["name"], row["title"], *counts, *([row["found"]] if data_root else [])))
    print_table(("name", "what", "queries", "database", *(["found"] if data_root else [])), cells)


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
    facts = {
        "name": entry.name,
        "complete": found.complete,
        **asdict(found),
        "expects": {layout.title: list(layout.expects()) for layout in entry.layouts},
        "source": entry.source,
        "terms": entry.terms,
    }
    echo_result(facts, "\n".join(_report(entry, found, data_root)), as_json=as_json)
    if not found.complete:
        raise typer.Exit(1)


def _check_all(root: Path, *, as_json: bool) -> None:
    """One line for each data set: where it was found, or what is missing first."""
    from a2gc_ros.evaluation.datasets import gsv_folder
    from a2gc_ros.evaluation.datasets.catalogue import nearest_missing
    from a2gc_ros.evaluation.datasets.layout import first_of

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
        cells = ((name, found or "–", first_of(missing)) for name, found, missing, _ in rows)
        print_table(("name", "found", "missing"), cells)
        typer.echo("Where to get one and in which layouts it is read: a2gc datasets check NAME")
    if not any(found for _, found, _, _ in rows):
        raise typer.Exit(1)


def _check_gsv_cities(root: Path, *, as_json: bool) -> None:
    from a2gc_ros.evaluation.datasets import gsv_folder

    found = gsv_folder.inspect(root)
    facts = {"name": gsv_folder.NAME, **asdict(found), "source": gsv_folder.SOURCE, "terms": gsv_folder.TERMS}
    lines = [
        f"{gsv_folder.NAME}: what models are trained on",
        f"  expected below {root}: Dataframes/ and Images/ in {' or '.join(gsv_folder.FOLDERS)}",
        *([f"  found: {found.folder}, {len(found.cities)} cities"] if found.folder else []),
        *(f"  missing: {path}" for path in found.missing[:SHOWN]),
        f"  from: {gsv_folder.SOURCE}\n  terms: {gsv_folder.TERMS}",
    ]
    echo_result(facts, "\n".join(lines), as_json=as_json)
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
