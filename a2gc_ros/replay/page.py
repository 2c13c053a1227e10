"""The page of a run: where, when and how surely places were recognized, and what was missed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.replay import why
from a2gc_ros.replay.explored import Explored, matched, pictures_of
from a2gc_ros.replay.funnel import Funnel, features_per_keyframe
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.score import Score
from a2gc_ros.replay.similarity import Alike, similarity_section
from a2gc_ros.replay.visits import Visit, visits
from a2gc_ros.viz.page_data import PageData
from a2gc_ros.viz.report import Report, Section, View

MOST_MATCHED_CLOSURES: Final = 280
MOST_OF_A_VISIT: Final = 40
"""Pairs of one visit in its strip, evenly chosen."""


@dataclass(frozen=True)
class _Found:
    """A run as its page shows it."""

    judged: Judged
    result: Score | None
    explored: Explored
    visits: Sequence[Visit]
    missed: Sequence[int]
    alike: Alike


def page(
    judged: Judged, explored: Explored, result: Score | None, followed: Funnel, numbers: Mapping[str, Any]
) -> Report:
    """Builds the page of a run from its keyframes and pairs, how far they came, and its numbers as in numbers.json.

    ``result`` is None where no truth is known.
    """
    closures = [explored.pairs[number] for number in explored.closures]
    seen = visits(closures, explored.closures)
    row_of = {keyframe.stamp_ns: at for at, keyframe in enumerate(explored.own)}
    missed = [row_of[stamp] for stamp in (result.missed if result else ()) if stamp in row_of]
    found = _Found(judged, result, explored, seen, missed, Alike.of(judged, explored.own))
    seconds = explored.spots[len(explored.own) - 1].seconds if explored.own else 0.0
    features = features_per_keyframe(judged.live)
    sections = [
        *_where(found),
        _when(found),
        *_visits(found),
        *similarity_section(judged, result, explored, found.alike),
        *why.sections(followed, judged.config, features, seconds, explored.numbers),
        *_pairs(found),
        *_how_sure(found),
        _all_numbers(numbers),
    ]
    # What came farthest first.
    nearly = [entry.key for stage in why.HEADINGS for entry in followed.fallen[stage][:40]]
    fallen = [explored.numbers[key] for key in nearly if key in explored.numbers]
    wrong = [number for number in explored.closures if explored.pairs[number].right is False]
    shown = [*wrong, *_evenly(explored.closures, MOST_MATCHED_CLOSURES), *fallen]
    shared = PageData(
        explored.spots,
        explored.pairs,
        pictures_of(explored),
        matched(explored, judged.config, shown),
        judged.names,
        _first(explored, fallen, shown),
    )
    run = judged.run
    return Report(
        title=f"Place recognition on {judged.recording}",
        subtitle=f"{run.model} on {run.backend}, {run.mode}: {len(run.queries)} images, {len(judged.live)} keyframes",
        tiles=_tiles(found, numbers),
        sections=sections,
        shared=shared.as_json(),
    )


def _first(explored: Explored, fallen: Sequence[int], shown: Sequence[int]) -> int | None:
    """The pair to look at first: a wrong closure, else the middle one, else what was nearly one."""
    closures = explored.closures
    wrong = [number for number in closures if explored.pairs[number].right is False]
    if wrong:
        return wrong[0]
    if closures:
        among = [number for number in closures if number in set(shown)]
        return among[len(among) // 2]
    return fallen[0] if fallen else None


def _tiles(found: _Found, numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    result = found.result
    if result is None:
        tiles = [
            (str(numbers["closures"]), "loop closures"),
            (str(len(found.visits)), "revisit found" if len(found.visits) == 1 else "revisits found"),
            (str(numbers["keyframes"]), "keyframes"),
        ]
    else:
        tiles = [
            (_shown(result.precision), "precision"),
            (_shown(result.recall), "recall of revisits"),
            (f"{result.right} / {result.closures}", "closures right"),
            (str(result.revisits), "keyframes at known places"),
        ]
    return [*tiles, (f"{_shown(numbers['latency_ms']['p50'], 1)} ms", "median from image to answer")]


def _where(found: _Found) -> list[Section]:
    spots, judged, result = found.explored.spots, found.judged, found.result
    if not any(spot.position for spot in spots[: len(found.explored.own)]):
        return []
    if judged.path is not None and result is not None:
        rule = result.rule
        text = (
            f"Drawn and judged by {judged.truth}. A closure is right when the two cameras truly were at most "
            f"{rule.radius_m:g} m apart. A keyframe counts as missed when the robot had been that near before, "
            f"looking the same way to within {rule.heading_deg:g} degrees, and no right closure came."
        )
        if result.unjudged:
            text += f" {result.unjudged} closures could not be judged, for want of a true pose."
    else:
        text = "Drawn by odometry, which may drift; no true poses are known, so nothing is judged."
    sessions = [*_sessions(found.explored), *found.explored.ranges[1:]]
    data = {"sessions": sessions, "missed": list(found.missed)}
    return [Section("Where", text, views=[View("where", data)])]


def _sessions(explored: Explored) -> list[tuple[int, int]]:
    """Ranges of the run's keyframes of one session each."""
    sessions = [keyframe.session_id for keyframe in explored.own]
    changes = [at for at in range(1, len(sessions)) if sessions[at] != sessions[at - 1]]
    return list(pairwise([0, *changes, len(sessions)]))


def _when(found: _Found) -> Section:
    explored, judged = found.explored, found.judged
    own = explored.own
    begin = own[0].stamp_ns if own else 0
    live = "an image's arrival in the subscriber's process to the arrival of the node's answer there"
    offline = "image to answer, reading and decoding the recording not counted"
    text = (
        "Above, the similarity of each keyframe to the most similar older one, with the closures as dots; then how "
        "sure each compared pair became, on a scale of nines, with the probability that is asked for; then the time "
        f"from {live if judged.run.mode == 'live' else offline}."
    )
    queries = judged.run.queries
    data = {
        "own": len(own),
        "best": [round(float(value), 4) for value in found.alike.best],
        "latency_t": [round((query.stamp_ns - begin) / 1e9, 3) for query in queries],
        "latency": [round(query.latency_ms, 2) for query in queries],
        "visits": [visit.queries for visit in found.visits],
        "missed": list(found.missed),
        "rate": judged.config.max_false_positive_rate,
    }
    return Section("When", text, views=[View("when", data)])


def _visits(found: _Found) -> list[Section]:
    explored = found.explored
    if not found.visits:
        return []
    rows = []
    for number, visit in enumerate(found.visits, 1):
        members = [explored.pairs[member] for member in visit.members]
        map_index = explored.spots[members[0].keyframe].map_index
        where = "" if map_index == 0 else f" of {found.judged.names[map_index]}"
        now = _span(explored, *visit.queries)
        then = _span(explored, *visit.keyframes)
        probabilities = [pair.probability for pair in members if pair.probability is not None]
        inliers = np.median([pair.inliers for pair in members])
        if len(members) > 1:
            text = f"{len(members)} keyframes with closures, {inliers:.0f} features agree (median)"
        else:
            text = f"One keyframe with a closure, {inliers:.0f} features agree"
        if probabilities:
            text += f"; least probability {min(probabilities):.4f}"
        if visit.backwards and len(members) > 2:
            text += "; passed in the other order"
        title = f"{number}. {now} shows what was seen at {then}{where}"
        rows.append({"title": title, "text": text, "pairs": _evenly(visit.members, MOST_OF_A_VISIT)})
    text = "Stretches of the run that show a place seen before: above as it was then, below as it is now."
    return [Section("Places seen again", text, views=[View("visits", {"visits": rows})], short="Places")]


def _pairs(found: _Found) -> list[Section]:
    if not found.explored.pairs:
        return []
    text = "All that was compared. A click on a head sorts; a click on a row shows the two pictures and what matches."
    return [Section("All pairs", text, views=[View("pairs")])]


def _how_sure(found: _Found) -> list[Section]:
    result = found.result
    if result is None or result.curve is None:
        return []
    curve = result.curve
    name, x, y = "descriptor alone, any threshold", _thinned(curve.recall), _thinned(curve.precision)
    curves: list[dict[str, Any]] = [{"name": name, "x": x, "y": y}]
    if math.isfinite(result.precision) and math.isfinite(result.recall):
        name = f"closures: precision {result.precision:.3f}, recall {result.recall:.3f}"
        curves.append({"name": name, "x": [result.recall], "y": [result.precision], "only_marks": True})
    text = (
        "The curve is that of the descriptor alone: the best match of every keyframe, accepted above a falling "
        "threshold. The dot is what the whole chain accepted, after evidence, geometry and agreement."
    )
    data = {
        "label": "Precision against recall",
        "curves": curves,
        "x": "recall",
        "y": "precision",
        "x_range": [-0.02, 1.02],
        "y_range": [-0.02, 1.05],
        "file": "precision_recall",
    }
    return [Section("How sure", text, views=[View("curves", data)])]


def _all_numbers(numbers: Mapping[str, Any]) -> Section:
    rows = [("number", "value"), *((key.replace("_", " "), _plain(value) or "none") for key, value in numbers.items())]
    text = "Also in numbers.json; every image's answer is in queries.jsonl."
    return Section("All numbers", text, rows, short="Numbers")


def _plain(value: Any) -> str:
    """A value of the numbers for people."""
    if isinstance(value, dict):
        return ", ".join(f"{str(key).replace('_', ' ')} {_plain(entry) or 'none'}" for key, entry in value.items())
    if isinstance(value, list):
        return "; ".join(map(_plain, value))
    return str(round(value, 4) if isinstance(value, float) else value)


def _shown(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _span(explored: Explored, first: int, last: int) -> str:
    begin, end = (_clock(explored.spots[at].seconds) for at in (first, last))
    return begin if begin == end else f"{begin} to {end}"


def _clock(seconds: float) -> str:
    # Rounded first: 119.97 s are 2:00.0, not 1:60.0.
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}" if minutes else f"{seconds:.1f} s"


def _evenly(values: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly chosen."""
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.linspace(0, len(values) - 1, most).round().astype(int)]


def _thinned(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(float(values[i]), 4) for i in _evenly(range(len(values)), 600)]
