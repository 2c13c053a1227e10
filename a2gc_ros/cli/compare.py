"""``a2gc compare``: which model recognizes more of your own data, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import echo_json, figures_table, print_whole
from a2gc_ros.cli.base.spaced_lists import command_with, items
from a2gc_ros.cli.eval_data import Own, open_all, watch_bars
from a2gc_ros.errors import ConfigError
from a2gc_ros.system.installation import needing

if TYPE_CHECKING:
    from a2gc_ros.evaluation.dataset import Dataset
    from a2gc_ros.evaluation.evaluate import EvaluationResult
    from a2gc_ros.viz.report import Report
    from a2gc_ros.viz.retrieval import Retrieval

KS = (1, 5, 10)


@app.command("compare", cls=command_with("--models"))
def compare(
    *,
    database: Annotated[Path, typer.Argument(help="Recording, or folder of photographs, that is searched.")],
    queries: Annotated[
        Path | None, typer.Argument(help="Recording or folder that asks; the same recording if not given.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(help="Two models or more, with spaces or commas between them: names, ONNX files, checkpoints."),
    ] = None,
    truth: options.Truth = None,
    rule: options.SamePlace,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a page to explore, and pictures of queries on which they differ.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Most queries in the pictures.")] = 12,
    store: options.Store = None,
    runtime: options.Runtime,
    as_json: options.AsJson = False,
) -> None:
    """Compare models on your own data: recall on what is seen again, time for an image, memory, pictures where they
    differ.

    One recording is searched for its own loops; two recordings or folders are searched one for the other. Only images
    that have something to recognize count. Margins are of paired queries, with 95 % bootstrap intervals.

    Examples:
    - `a2gc compare patrol.mcap --models a2gc-efficientnet-lite0 salad.onnx dino_salad.ckpt --out comparison`

    - `a2gc compare monday.mcap friday.mcap --models town.onnx a2gc-efficientnet-lite0 --radius 10`

    - `a2gc compare map_photos new_photos --truth positions.csv --models a.onnx b.onnx --json`
    """  # noqa: D205 - the summary stands in a list of commands as well
    from a2gc_ros.bags.formats import is_recording
    from a2gc_ros.evaluation.evaluate import EvaluationSettings, evaluate
    from a2gc_ros.evaluation.footprint import footprint
    from a2gc_ros.evaluation.store import default_folder
    from a2gc_ros.extract import open_extractor

    chosen = items(models)
    if len(chosen) < 2:
        raise ConfigError("--models needs two models or more to compare; `a2gc eval` measures one.")
    if out is not None:
        with needing("Drawing", "viz"):
            import a2gc_ros.viz.style  # noqa: F401
        out.mkdir(parents=True, exist_ok=True)
    if queries is None and database.exists() and not is_recording(database):
        raise ConfigError(f"{database} is a folder of photographs; name a second one with those that ask.")
    (dataset,) = open_all([], None, Own(database, queries or database, truth, rule))
    settings = EvaluationSettings(store=store or default_folder(), ks=KS)
    extractors = [open_extractor(model, **vars(runtime)) for model in chosen]
    outcomes = []
    for extractor in extractors:
        with watch_bars() as watch:
            outcomes.append(evaluate(dataset, extractor, settings, watch))
    costs = []
    with Console(stderr=True).status("Measuring time and memory") as status:
        for model in chosen:
            status.update(Text(f"Measuring time and memory of {Path(model).name}"))
            costs.append(footprint(model, **vars(runtime)))
    found = [
        _numbers(model, outcome, cost, outcomes[0])
        for model, outcome, cost in zip(chosen, outcomes, costs, strict=True)
    ]
    pictures = [] if out is None else _draw(chosen, found, outcomes, out, count)
    if as_json:
        echo_json({"protocol": dataset.protocol, "models": found, "pictures": pictures})
        return
    _show(dataset.name, dataset.protocol, len(dataset.queries), found)
    if out is not None:
        typer.echo(f"page: {out / 'index.html'}")
        typer.echo(f"pictures: {', '.join(pictures) or 'none, they agree on every query'}")


def _numbers(model: str, outcome: EvaluationResult, cost: Any, first: EvaluationResult) -> dict[str, Any]:
    from a2gc_ros.evaluation.comparison import margin, revisits
    from a2gc_ros.evaluation.results import row_name

    recall, groups = revisits(outcome)
    spreads = {k: recall.interval(k, groups=groups) for k in KS}
    spec = outcome.extractor.spec
    against = None if outcome is first else margin(outcome, first, 1)
    return {
        "row": row_name(model, outcome.extractor),
        "fingerprint": spec.fingerprint,
        "revisits": len(recall.hits),
        "recall": {str(k): spreads[k].value for k in KS},
        "interval": {str(k): [spreads[k].low, spreads[k].high] for k in KS},
        "margin": None if against is None else [against.value, against.low, against.high],
        "descriptor_dim": spec.descriptor_dim,
        "descriptor_bytes": 2 * spec.descriptor_dim,
        "image_ms": cost.ms,
        "memory_bytes": cost.memory,
    }


def _show(name: str, protocol: str, asked: int, found: list[dict[str, Any]]) -> None:
    console = Console()
    console.print(f"[bold]{escape(name)}[/bold]  {escape(protocol.partition(';')[0])}", highlight=False)
    console.print(f"{found[0]['revisits']:,} of {asked:,} images have something to recognize", highlight=False)
    costs = ("dims", "bytes in\na map", "ms an\nimage", "MB of\nmemory")
    table = figures_table("", (*(f"R@{k}" for k in KS), "R@1 against\nthe first", *costs))
    for entry in found:
        margin = entry["margin"] or (None, 0.0, 0.0)
        table.add_row(
            f"[bold]{escape(entry['row'])}[/bold]",
            *(f"{100 * entry['recall'][str(k)]:.1f}" for k in KS),
            "" if margin[0] is None else f"{100 * margin[0]:+.1f}",
            *_costs(entry),
        )
        table.add_row(
            "  95 % interval",
            *(f"{100 * low:.1f}–{100 * high:.1f}" for low, high in (entry["interval"][str(k)] for k in KS)),
            "" if margin[0] is None else f"{100 * margin[1]:+.1f} to {100 * margin[2]:+.1f}",
        )
    print_whole(console, table)


def _costs(entry: dict[str, Any]) -> tuple[str, ...]:
    """Dimensions, bytes in a map, milliseconds for an image and megabytes of memory."""
    sizes = (f"{entry[key]:,}" for key in ("descriptor_dim", "descriptor_bytes"))
    return (*sizes, f"{entry['image_ms']:.1f}", f"{entry['memory_bytes'] / 1e6:.0f}")


def _draw(
    models: list[str], found: list[dict[str, Any]], outcomes: list[EvaluationResult], out: Path, count: int
) -> list[str]:
    """Writes the page, and pictures of queries on which the models differ; returns the pictures' paths."""
    from a2gc_ros.cli.retrieval_pages import draw, first_answers
    from a2gc_ros.evaluation.comparison import differing

    dataset = outcomes[0].dataset
    differ = first_answers(outcomes, differing(outcomes, count))
    _page(dataset, found, differ).write(out / "index.html")
    title = f"First answers on {dataset.name} where the models differ"
    heads = [Path(model).name for model in models]
    pictures = draw(differ, out / "differ", title, answers=len(models), positives=1, heads=heads)
    return [str(path) for path in pictures]


def _page(dataset: Dataset, found: list[dict[str, Any]], differ: Sequence[Retrieval]) -> Report:
    """Builds the page: recall of every model, what each costs, and queries on which they differ."""
    from a2gc_ros.viz.retrieval_page import RecallCurve, Shown, retrieval_page

    curves = [
        RecallCurve(entry["row"], KS, list(entry["recall"].values()), *zip(*entry["interval"].values(), strict=True))
        for entry in found
    ]
    table = [("model", "R@1 against the first", "dimensions", "bytes in a map", "ms an image", "MB of memory")]
    for entry in found:
        against = entry["margin"]
        margin = (
            "" if against is None else f"{100 * against[0]:+.1f} ({100 * against[1]:+.1f} to {100 * against[2]:+.1f})"
        )
        table.append((entry["row"], margin, *_costs(entry)))
    shown = Shown(
        "Where the models differ",
        "Queries whose first answer is right by some models and wrong by others.",
        differ,
        [entry["row"] for entry in found],
    )
    return retrieval_page(f"Models on {dataset.name}", dataset.protocol, curves, table, shown)
