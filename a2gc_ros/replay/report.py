"""The report of a run: numbers as JSON, every answer as JSON lines, and one page to explore."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from a2gc_ros.loops.results import Match
from a2gc_ros.replay.explored import Explored, explore
from a2gc_ros.replay.funnel import Funnel, funnel
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.page import page
from a2gc_ros.replay.ranking import nearest_matches
from a2gc_ros.replay.records import write_queries
from a2gc_ros.replay.score import Score, score
from a2gc_ros.system.json_values import finite

Also = Callable[[Judged, Explored], None]
"""Writes something else of a run."""

FORMER_NAMES: Final = {"recognised": "recognized"}
"""Of numbers that scripts read; a page shows the new ones."""


def write_report(judged: Judged, folder: Path, also: Sequence[Also] = ()) -> dict[str, Any]:
    """Writes index.html, numbers.json and queries.jsonl into a folder, made if absent, and what else is wanted.

    Returns:
        The numbers, as in numbers.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result = None
    nearest: dict[int, tuple[Match, ...]] = {}
    if judged.path is not None:
        nearest = nearest_matches(judged.live, judged.maps, judged.config, judged.config.k)
        best = [matches[0] for matches in nearest.values()]
        result = score(judged.run, judged.path, judged.map_paths, judged.rule, best)
    revisited = None if result is None else result.revisited
    followed = funnel(judged.followed.queries, len(judged.live), revisited, judged.right, nearest)
    numbers = _numbers(judged, result, followed)
    told = numbers | {former: numbers[name] for former, name in FORMER_NAMES.items() if name in numbers}
    (folder / "numbers.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    write_queries(folder / "queries.jsonl", judged.run.queries)
    explored = explore(judged)
    page(judged, explored, result, followed, numbers).write(folder / "index.html")
    for write in also:
        write(judged, explored)
    return told


def _numbers(judged: Judged, result: Score | None, followed: Funnel) -> dict[str, Any]:
    run = judged.run
    latency = np.array([query.latency_ms for query in run.queries])
    latency = latency[np.isfinite(latency)]
    numbers: dict[str, Any] = {
        "recording": judged.recording,
        "mode": run.mode,
        "model": run.model,
        "backend": run.backend,
        "images": len(run.queries),
        "keyframes": len(judged.live),
        "closures": sum(len(query.closures) for query in run.queries),
        "skipped": run.skipped,
        "latency_ms": {f"p{p}": np.percentile(latency, p) if len(latency) else None for p in (50, 95, 99)},
    }
    numbers["funnel"] = {step.key: step.keyframes for step in followed.steps if step.keyframes is not None}
    if result is not None:
        numbers["funnel_of_revisits"] = {step.key: step.revisits for step in followed.steps}
        numbers |= {"truth": judged.truth, "radius_m": result.rule.radius_m, "heading_deg": result.rule.heading_deg}
        for name in ("queries", "revisits", "recognized", "right", "unjudged"):
            numbers[name] = getattr(result, name)
        numbers |= {"judged": result.closures, "precision": result.precision, "recall": result.recall}
        if len(result.distances_m):
            numbers["distance_m"] = {"median": np.median(result.distances_m), "max": result.distances_m.max()}
        if result.curve is not None:
            numbers["descriptor_average_precision"] = result.curve.average_precision
            numbers["descriptor_recall_at_100_precision"] = result.curve.recall_at_precision(1.0)
    whole: dict[str, Any] = finite(numbers | judged.facts)
    return whole
