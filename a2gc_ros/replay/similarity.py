"""The part of a run's page that shows what looks like what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.placemap import Keyframe
from a2gc_ros.replay.explored import Explored
from a2gc_ros.replay.ground_truth import earlier_visit, same_view
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.ranking import admissible
from a2gc_ros.replay.score import Score
from a2gc_ros.viz.report import Section, View
from a2gc_ros.viz.similarity_tiles import Pooled, Shades, drawn_table, pooled_cosines, shades

SAMPLED: Final = 100_000
"""Cosines of a part of the matrix by which its shades are chosen."""

MOST_OF_THE_TRUTH: Final = 3000
"""Keyframes up to which the true places are drawn into the matrix."""


@dataclass(frozen=True)
class Alike:
    """How alike the run's keyframes look.

    Attributes:
        descriptors: float32 (N, D), in order of time.
        best: float32 (N,), cosine of the most similar keyframe that may be matched; NaN where there is none.
        range_: Shades that tell those apart that may be matched.
    """

    descriptors: npt.NDArray[np.float32]
    matrix: Pooled
    best: npt.NDArray[np.float32]
    range_: Shades

    @classmethod
    def of(cls, judged: Judged, own: Sequence[Keyframe]) -> Alike:
        """Compares the keyframes of a run, in order of time, with one another."""
        descriptors = judged.live.descriptors([keyframe.id for keyframe in own])
        best = np.full(len(own), np.nan, dtype=np.float32)
        sampled: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32)]

        def look(begin: int, cosines: npt.NDArray[np.float32]) -> None:
            possible = admissible(own, judged.config, slice(begin, begin + len(cosines)))
            has = possible.any(axis=1)
            best[begin : begin + len(cosines)][has] = np.where(possible, cosines, -np.inf)[has].max(axis=1)
            # Some of them are enough to know their range.
            sampled.append(cosines[possible][:: max(1, possible.sum() // SAMPLED)])

        matrix = pooled_cosines(descriptors, descriptors, look)
        those = np.concatenate(sampled)
        return cls(descriptors, matrix, best, shades(those if len(those) else matrix.table))


def similarity_section(judged: Judged, result: Score | None, explored: Explored, alike: Alike) -> list[Section]:
    """Shows the similarity of the run's keyframes with one another and with those of each map; none without any."""
    if not explored.own:
        return []
    range_ = alike.range_
    tables = [drawn_table("this run", alike.matrix, range_, 0)]
    for place_map, name, (first, last) in zip(judged.maps, judged.names[1:], explored.ranges[1:], strict=True):
        ids = [keyframe_id for _, keyframe_id in explored.keyframes[first:last]]
        if ids:
            matrix = pooled_cosines(alike.descriptors, place_map.descriptors(ids))
            tables.append(drawn_table(name, matrix, range_, first))
    data = {"tables": tables, "truth": _truth(judged, result, explored), "low": range_.low, "high": range_.high}
    text = (
        "Each cell is the similarity of two keyframes. A revisit is a bright line beside the "
        "diagonal: along it where the way is taken again, across it where it is taken the other way. A bright line "
        "without closures is worth a look."
    )
    return [Section("What looks like what", text, views=[View("matrix", data)], short="Similarity")]


def _truth(judged: Judged, result: Score | None, explored: Explored) -> list[tuple[int, int, int]]:
    """Runs of cells of one place: row, first column, behind the last."""
    path, own = judged.path, explored.own
    if path is None or result is None or len(own) > MOST_OF_THE_TRUTH:
        return []
    column = [path.index_of(keyframe.stamp_ns) for keyframe in own]
    at = np.array([-1 if c is None else c for c in column])
    same = (same_view(path, path, result.rule) & earlier_visit(path, path, result.rule))[np.ix_(at, at)]
    same &= (at >= 0)[:, None] & (at >= 0)[None]
    runs = []
    for row, cells in enumerate(same):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cells.astype(np.int8), [0]])))
        runs += [(row, int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
    return runs
