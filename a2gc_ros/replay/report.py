"""The report of a run: pictures, numbers as JSON, and one page that holds them all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.replay import why
from a2gc_ros.replay.funnel import Fallen, Funnel, OfKeyframe, features_per_keyframe, funnel
from a2gc_ros.replay.ranking import BestMatch, nearest_matches, similarities
from a2gc_ros.replay.records import RunRecord, write_queries
from a2gc_ros.replay.score import Score, score
from a2gc_ros.replay.truth import PlaceRule, TruePath, same_view
from a2gc_ros.viz import style
from a2gc_ros.viz.curves import draw_latency, draw_precision_recall
from a2gc_ros.viz.pairs import MAX_PAIRS, Pair, draw_pairs
from a2gc_ros.viz.report import Report, Section
from a2gc_ros.viz.similarity import draw_similarity
from a2gc_ros.viz.trajectory import Links, draw_trajectory


@dataclass(frozen=True)
class Judged:
    """A run with everything a report needs.

    Attributes:
        recording: Name of the recording, for people.
        run: What was recognised.
        followed: The offline run over the same images, whose records tell all that was compared; ``run`` itself where
            that is it.
        live: The map that grew during the run, with that session only.
        maps: The maps that were loaded.
        config: Settings of loop detection.
        path: True poses of the keyframes of ``live``; None where no truth is known.
        map_paths: True poses of the keyframes of the loaded maps, by map index.
        rule: When two images count as the same place.
        truth: Where the true poses come from, for people.
        facts: More numbers for the JSON file and the table.
    """

    recording: str
    run: RunRecord
    followed: RunRecord
    live: PlaceMap
    maps: Sequence[PlaceMap]
    config: LoopConfig
    path: TruePath | None
    map_paths: dict[int, TruePath]
    rule: PlaceRule
    truth: str
    facts: dict[str, Any] = field(default_factory=dict)


def write_report(judged: Judged, folder: Path) -> dict[str, Any]:
    """Writes index.html, numbers.json, queries.jsonl and the pictures into a folder.

    Returns:
        The numbers, as in numbers.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result = None
    nearest: dict[int, tuple[BestMatch, ...]] = {}
    if judged.path is not None:
        nearest = nearest_matches(judged.live, judged.maps, judged.config, judged.config.k)
        best = [matches[0] for matches in nearest.values()]
        result = score(judged.run, judged.path, judged.map_paths, judged.rule, best)
    followed = _follow(judged, result, nearest)
    numbers = _numbers(judged, result, followed)
    (folder / "numbers.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    write_queries(folder / "queries.jsonl", judged.run.queries)
    _page(judged, result, followed, numbers, folder).write(folder / "index.html")
    return numbers


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
        "latency_ms": {f"p{p}": _rounded(np.percentile(latency, p)) if len(latency) else None for p in (50, 95, 99)},
    }
    numbers["funnel"] = {step.key: step.keyframes for step in followed.steps if step.keyframes is not None}
    if result is not None:
        numbers["funnel_of_revisits"] = {step.key: step.revisits for step in followed.steps}
        numbers["truth"] = judged.truth
        numbers["radius_m"] = result.rule.radius_m
        numbers["heading_deg"] = result.rule.heading_deg
        for name in ("queries", "revisits", "recognised", "right", "unjudged"):
            numbers[name] = getattr(result, name)
        numbers["judged"] = result.closures
        numbers["precision"] = _rounded(result.precision)
        numbers["recall"] = _rounded(result.recall)
        if len(result.distances_m):
            numbers["distance_m"] = {
                "median": _rounded(np.median(result.distances_m)),
                "max": _rounded(result.distances_m.max()),
            }
        if result.curve is not None:
            numbers["descriptor_average_precision"] = _rounded(result.curve.average_precision)
            numbers["descriptor_recall_at_100_precision"] = _rounded(result.curve.recall_at_precision(1.0))
    return numbers | judged.facts


def _rounded(value: Any) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _page(judged: Judged, result: Score | None, followed: Funnel, numbers: dict[str, Any], folder: Path) -> Report:
    run = judged.run
    tiles = [(str(numbers["closures"]), "loop closures"), (str(numbers["keyframes"]), "keyframes")]
    sections = []
    if result is not None and judged.path is not None:
        tiles = [
            (_shown(result.precision), "precision"),
            (_shown(result.recall), "recall of revisits"),
            (f"{result.right} / {result.closures}", "closures right"),
            (str(result.revisits), "keyframes at known places"),
        ]
        sections += [_where(judged, judged.path, result, folder), _how_sure(judged, judged.path, result, folder)]
    sections += [_pairs(judged, result, folder), *_nearly(judged, followed, folder)]
    sections += [_speed(run, folder), _all_numbers(numbers)]
    tiles.append((f"{_shown(numbers['latency_ms']['p50'], 1)} ms", "median from image to answer"))
    return Report(
        title=f"Place recognition on {judged.recording}",
        subtitle=f"{run.model} on {run.backend}, {run.mode}: {len(run.queries)} images, {len(judged.live)} keyframes",
        tiles=tiles,
        sections=sections,
    )


def _where(judged: Judged, path: TruePath, result: Score, folder: Path) -> Section:
    seconds = (path.stamps_ns - path.stamps_ns[:1]) / 1e9
    points = np.column_stack([path.positions[:, :2], seconds])

    def at(map_index: int, stamp_ns: int) -> npt.NDArray[np.float64]:
        reference = path if map_index == 0 else judged.map_paths[map_index]
        row = reference.index_of(stamp_ns)
        if row is None:
            raise KeyError(stamp_ns)
        return points[row] if map_index == 0 else np.append(reference.positions[row, :2], 0.0)

    links = Links(
        np.array([at(0, query) for query, _, _, _ in result.judged]).reshape(-1, 3),
        np.array([at(index, keyframe) for _, keyframe, index, _ in result.judged]).reshape(-1, 3),
        np.array([right for *_, right in result.judged], dtype=bool),
    )
    mapped = [np.column_stack([p.positions[:, :2], np.zeros(len(p))]) for p in judged.map_paths.values()]
    figure = draw_trajectory(
        points,
        links,
        np.array([at(0, stamp) for stamp in result.missed]).reshape(-1, 3),
        mapped=np.concatenate(mapped) if mapped else None,
        title=f"{result.closures} closures, {result.right} right; {len(result.missed)} of {result.revisits} missed",
    )
    style.save(figure, folder / "trajectory.png")
    rule = result.rule
    text = (
        f"Drawn and judged by {judged.truth}. A closure is right when the two cameras truly were at most "
        f"{rule.radius_m:g} m apart. A keyframe counts as missed when the robot had been within that radius before, "
        f"looking the same way to within {rule.heading_deg:g} degrees, and no right closure came."
    )
    if result.unjudged:
        text += f" {result.unjudged} closures could not be judged, for want of a true pose."
    return Section("Where", text, (), [(folder / "trajectory.png", "Path of the robot with its loop closures")])


def _how_sure(judged: Judged, path: TruePath, result: Score, folder: Path) -> Section:
    pictures = []
    if result.curve is not None:
        figure = draw_precision_recall(
            result.curve.precision, result.curve.recall, operating_point=(result.recall, result.precision)
        )
        style.save(figure, folder / "precision_recall.png")
        pictures.append((folder / "precision_recall.png", "Precision against recall"))
    rows = [i for i, keyframe in enumerate(judged.live.keyframes()) if path.index_of(keyframe.stamp_ns) is not None]
    table = similarities(judged.live, judged.live)[np.ix_(rows, rows)]
    style.save(draw_similarity(table, same_view(path, path, result.rule)), folder / "similarity.png")
    pictures.append((folder / "similarity.png", "Similarity of all keyframes beside the truth"))
    text = (
        "The curve is that of the descriptor alone: the best match of every keyframe, accepted above a falling "
        "threshold. The star is what the whole chain accepted, after the place filter, geometry and agreement."
    )
    return Section("How sure", text, (), pictures)


def _pairs(judged: Judged, result: Score | None, folder: Path) -> Section:
    """Shows the most and the least similar accepted pairs, wrong ones first."""
    verdicts = {} if result is None else {entry[:3]: entry[3] for entry in result.judged}
    accepted = []
    for query in judged.run.queries:
        for closure in query.closures:
            right = verdicts.get((query.stamp_ns, closure.keyframe_stamp_ns, closure.map_index))
            accepted.append((closure.similarity, query.stamp_ns, closure, right))
    accepted.sort(key=lambda entry: (entry[3] is not False, entry[0]))
    albums = [_Album(place_map) for place_map in (judged.live, *judged.maps)]
    pictures = []
    for name, title, chosen in (
        ("best_pairs", "Most alike", accepted[::-1][:MAX_PAIRS]),
        ("worst_pairs", "Least alike, wrong ones first", accepted[:MAX_PAIRS]),
    ):
        pairs = []
        for similarity, stamp_ns, closure, right in chosen:
            view, keyframe = albums[0].image(stamp_ns), albums[closure.map_index].image(closure.keyframe_stamp_ns)
            if view is not None and keyframe is not None:
                caption = f"similarity {similarity:.2f}, {closure.inliers} inliers"
                pairs.append(Pair(view, keyframe, caption, right))
        if pairs:
            style.save(draw_pairs(pairs, title=title), folder / f"{name}.png")
            pictures.append((folder / f"{name}.png", title))
    text = "Query on the left, keyframe on the right." if pictures else "No closure was accepted."
    return Section("Matched pairs", text, (), pictures)


def _follow(judged: Judged, result: Score | None, nearest: dict[int, tuple[BestMatch, ...]]) -> Funnel:
    """Follows every keyframe on its way to a closure."""
    references = {0: judged.path, **judged.map_paths}

    def right(stamp_ns: int, pair: OfKeyframe) -> bool | None:
        own, other = judged.path, references.get(pair.map_index)
        here = None if own is None else own.index_of(stamp_ns)
        there = None if other is None else other.index_of(pair.keyframe_stamp_ns)
        if own is None or other is None or here is None or there is None:
            return None
        metres = np.linalg.norm(own.positions[here] - other.positions[there])
        return bool(metres <= judged.rule.radius_m)

    revisited = None if result is None else result.revisited
    return funnel(judged.followed.queries, len(judged.live), revisited, right, nearest)


def _nearly(judged: Judged, followed: Funnel, folder: Path) -> list[Section]:
    """Shows how far keyframes came, and the pairs that were nearly closures."""
    albums = [_Album(place_map) for place_map in (judged.live, *judged.maps)]

    def pictures(fallen: Fallen) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None:
        view = albums[0].image(fallen.query_stamp_ns)
        keyframe = albums[fallen.pair.map_index].image(fallen.pair.keyframe_stamp_ns)
        return None if view is None or keyframe is None else (view, keyframe)

    stamps = [keyframe.stamp_ns for keyframe in judged.live.keyframes()]
    seconds = (max(stamps) - min(stamps)) / 1e9 if stamps else 0.0
    return why.sections(followed, judged.config, features_per_keyframe(judged.live), seconds, pictures, folder)


class _Album:
    """Images of a map by stamp."""

    def __init__(self, place_map: PlaceMap) -> None:
        self._map = place_map
        self._ids = {keyframe.stamp_ns: keyframe.id for keyframe in place_map.keyframes()}

    def image(self, stamp_ns: int) -> npt.NDArray[np.uint8] | None:
        keyframe_id = self._ids.get(stamp_ns)
        jpeg = None if keyframe_id is None else self._map.image(keyframe_id)
        return None if jpeg is None else decode_compressed(jpeg)


def _speed(run: RunRecord, folder: Path) -> Section:
    style.save(draw_latency(np.array([query.latency_ms for query in run.queries])), folder / "latency.png")
    text = (
        "From the arrival of an image in the subscriber's process to the arrival of the node's answer there."
        if run.mode == "live"
        else "Descriptor, search and verification of one image; reading and decoding the recording not counted."
    )
    return Section("How fast", text, (), [(folder / "latency.png", "Histogram of latencies")])


def _all_numbers(numbers: dict[str, Any]) -> Section:
    rows = [("", "")]
    for key, value in numbers.items():
        rows.append((key.replace("_", " "), _plain(value) or "none"))
    return Section("All numbers", "Also in numbers.json; every image's answer is in queries.jsonl.", rows)


def _plain(value: Any) -> str:
    """A value of the numbers for people."""
    if isinstance(value, dict):
        return ", ".join(f"{str(key).replace('_', ' ')} {_plain(entry) or 'none'}" for key, entry in value.items())
    return "; ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _shown(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
