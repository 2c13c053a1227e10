"""``a2gc viz retrieval``: queries of a data set with their answers, right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.eval_data import Own, open_all, watch_bars
from a2gc_ros.errors import ConfigError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.installation import needing

if TYPE_CHECKING:
    from a2gc_ros.evaluation.evaluate import EvaluationResult
    from a2gc_ros.viz.report import Report
    from a2gc_ros.viz.retrieval import Retrieval

DEPTH = 100
"""How far the right images are looked for among the answers."""

KS = (1, 5, 10, 25, 50, DEPTH)
"""Answers of which the page tells recall."""


def retrieval(
    *,
    out: options.NewPictures,
    model: Annotated[
        str, typer.Option(help="A shipped or registered name, an ONNX file, a checkpoint.")
    ] = DEFAULT_MODEL,
    dataset: Annotated[str | None, typer.Option(help="Name of a protocol, or a .yaml file.")] = None,
    data_root: options.DataRoot = None,
    database: options.Database = None,
    queries: options.Queries = None,
    truth: options.Truth = None,
    rule: options.SamePlace,
    top_k: Annotated[int, typer.Option(min=1, max=10, help="Answers shown for each query.")] = 4,
    positives: Annotated[
        int, typer.Option(min=0, max=5, help="Right images shown beside them, those ranked best.")
    ] = 1,
    count: Annotated[int, typer.Option(min=1, help="Most queries shown.")] = 12,
    wrong_only: Annotated[
        bool, typer.Option("--wrong-only", help="Only queries whose first answer is wrong, the surest first.")
    ] = False,
    store: options.Store = None,
) -> None:
    """Show queries of a data set with what a model answered and what is right.

    Answers have a frame of their own color for right and for wrong. Descriptors are those of `a2gc eval`,
    kept and used again. Writes index.html, a page with the recall curve, and retrieval_1.png and so on,
    six queries each, spread over the data set.

    Examples:
    `a2gc viz retrieval --dataset pitts30k_test --data-root ~/data --wrong-only --out pictures`

    `a2gc viz retrieval --database monday.mcap --queries friday.mcap --out pictures`
    """
    with needing("Drawing", "viz"):
        from a2gc_ros.cli.retrieval_pages import choose, draw, gather
    from a2gc_ros.evaluation.evaluate import EvaluationSettings, evaluate
    from a2gc_ros.evaluation.store import default_folder
    from a2gc_ros.extract import open_extractor

    opened = open_all([] if dataset is None else [dataset], data_root, Own(database, queries, truth, rule))
    if len(opened) > 1:
        raise ConfigError("Both --dataset and --database are given; pictures are of one.")
    settings = EvaluationSettings(store=store or default_folder(), ks=KS)
    with watch_bars() as watch:
        outcome = evaluate(opened[0], open_extractor(model), settings, watch)
    chosen = choose(outcome, count, wrong_only)
    out.mkdir(parents=True, exist_ok=True)
    shown = gather(outcome, chosen, top_k, positives)
    what = "wrong first answers" if wrong_only else "answers"
    title = f"{outcome.extractor.spec.name} on {outcome.dataset.name}: {what}, recall@1 {outcome.recall.at(1):.3f}"
    pictures = draw(shown, out / "retrieval", title, answers=top_k, positives=positives)
    _page(title, outcome, shown, wrong_only).write(out / "index.html")
    typer.echo(f"{title}; {len(shown)} queries on {len(pictures)} pictures in {out}, and in {out / 'index.html'}")


def _page(title: str, outcome: EvaluationResult, shown: Sequence[Retrieval], wrong_only: bool) -> Report:
    """Builds the page: recall with its intervals, and the queries that were chosen."""
    from a2gc_ros.viz.retrieval_page import RecallCurve, Shown, retrieval_page

    intervals = [outcome.recall.interval(k, groups=outcome.groups) for k in KS]
    name = outcome.extractor.spec.name
    curve = RecallCurve(name, KS, *zip(*((i.value, i.low, i.high) for i in intervals), strict=True))
    table = [("answers", "recall", "95 % interval")]
    table += [(str(k), f"{i.value:.3f}", f"{i.low:.3f} to {i.high:.3f}") for k, i in zip(KS, intervals, strict=True)]
    heading = "Wrong first answers, the surest first" if wrong_only else "Queries, spread over the data set"
    return retrieval_page(title, outcome.dataset.protocol, [curve], table, Shown(heading, "", shown))
