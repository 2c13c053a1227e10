"""Pages whose numbers are made, for what a recording would take too long for."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from a2gc_ros.viz.album import BUDGET_BYTES, album
from a2gc_ros.viz.page_data import Fate, MatchedFeatures, PageData, PairRow, Spot
from a2gc_ros.viz.report import Report, Section, View
from a2gc_ros.viz.similarity_tiles import pooled_cosines, shades, tiles

LAPS = 4


def page_of(count: int, *, name: str = "a drive", pictures: int = 24) -> Report:
    """A page of a robot that drives laps: so many keyframes, each compared with the same place on the lap before.

    Args:
        count: Keyframes.
        name: Of the recording.
        pictures: How many different ones there are.
    """
    rng = np.random.default_rng(1)
    lap = count // LAPS
    angle = np.arange(count) / lap * 2 * np.pi
    radius = 40 + 6 * np.sin(3 * angle) + np.arange(count) / count
    x, y = (radius * function(angle) for function in (np.cos, np.sin))
    spots = [Spot(i / 2, 10**18 + i * 500_000_000, (float(x[i]), float(y[i]))) for i in range(count)]
    pairs, matches = [], {}
    for query in range(lap, count):
        for rank in range(3):
            right = rank == 0 or rng.random() < 0.3
            nines = float(rng.uniform(1.5, 5.5)) if right else None
            probability = None if nines is None else 1 - 10**-nines
            fate = Fate.REFUSED if nines is None else Fate.CLOSURE if nines > 2.5 and rank == 0 else Fate.NOT_SURE
            keyframe = (
                max(0, query - lap + int(rng.integers(-2, 3))) if right else int(rng.integers(0, query - lap + 1))
            )
            reason = "" if fate is Fate.CLOSURE else f"too little around it agrees in {name}"
            row = PairRow(
                query, keyframe, fate, rank, 0.7 - 0.1 * rank, probability, 40, 60, 0.5, 0.6, 0.3, 4, 1.0, reason
            )
            if len(matches) < 100:
                ends = rng.random((40, 2))
                matches[len(pairs)] = MatchedFeatures(np.hstack([ends, ends]), 30)
            pairs.append(row)
    images = [cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (320, 240)) for _ in range(pictures)]
    vectors = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1).astype(np.float32)
    table = vectors @ vectors.T / 2
    range_ = shades(table)
    closures = [pair.query for pair in pairs if pair.fate is Fate.CLOSURE]
    first = [number for number, pair in enumerate(pairs) if pair.fate is Fate.CLOSURE][:30]
    when = {
        "own": count,
        "best": [0.5 + 0.2 * float(np.sin(i / 9)) for i in range(count)],
        "latency_t": [spot.seconds for spot in spots],
        "latency": [float(v) for v in rng.gamma(4, 10, count)],
        "visits": [(closures[0], closures[-1])] if closures else [],
        "missed": [lap + 5],
        "rate": 0.003,
    }
    matrix = {
        "tables": [
            {
                "name": name,
                "rows": count,
                "columns": count,
                "first": 0,
                "tiles": tiles(pooled_cosines(vectors, vectors / 2), range_),
            }
        ],
        "truth": [],
        "low": range_.low,
        "high": range_.high,
    }
    steps = [
        {"name": "keyframes", "all": count, "known": None},
        {"name": "closures", "all": len(closures), "known": None},
    ]
    visit = {"title": f"1. a lap of {name}", "text": "all of it", "pairs": first}
    sections = [
        Section("Where", "", views=[View("where", {"sessions": [(0, count)], "missed": [lap + 5]})]),
        Section("When", "", views=[View("when", when)]),
        Section("Places", "", views=[View("visits", {"visits": [visit]})]),
        Section("Similarity", "", views=[View("matrix", matrix)]),
        Section("Funnel", "", views=[View("funnel", {"steps": steps, "rate": 0.003, "min_agreeing": 3})]),
        Section("Refused", "", views=[View("cards", {"pairs": first})]),
        Section("All pairs", "", [("a", "b"), (name, "1")], views=[View("pairs")]),
        Section("Curves", "", views=[View("curves", CURVES)]),
    ]
    few = album(pictures, lambda i: images[i], budget=pictures * BUDGET_BYTES // count)
    every = replace(few, pictures=tuple(few.pictures[i % pictures] for i in range(count)))
    shared = PageData(spots, pairs, every, matches, [name], first[0] if first else None)
    return Report(name, f"of {name}", [(str(count), "keyframes")], sections, shared.as_json())


CURVES = {
    "label": "Recall over answers",
    "x": "answers",
    "y": "recall",
    "curves": [
        {
            "name": "one",
            "x": [1, 5, 10],
            "y": [0.5, 0.7, 0.8],
            "low": [0.4, 0.6, 0.7],
            "high": [0.6, 0.8, 0.9],
            "marks": True,
        },
        {"name": "other", "x": [1, 5, 10], "y": [0.6, 0.75, 0.9]},
    ],
}
