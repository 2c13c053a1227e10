"""What each keyframe of a run looks most like, before any threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Match
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.records import Keyframe
from a2gc_ros.replay.ground_truth import blocks


def admissible(keyframes: Sequence[Keyframe], config: LoopConfig, rows: slice = slice(None)) -> npt.NDArray[np.bool_]:
    """Tells which keyframes of one session lie far enough in the past of which others; bool (rows, N)."""
    stamps = np.array([keyframe.stamp_ns for keyframe in keyframes], dtype=np.int64)
    way = np.array([np.nan if k.path_length is None else k.path_length for k in keyframes])
    late_enough = (stamps[rows, None] - stamps[None]) / 1e9 >= config.min_time_gap_s
    # Without odometry the way is NaN, and time alone decides.
    return late_enough & ~(way[rows, None] - way[None] < config.min_travel_m)


def nearest_matches(
    live: PlaceMap, maps: Sequence[PlaceMap], config: LoopConfig, count: int
) -> dict[int, tuple[Match, ...]]:
    """Finds the best admissible matches of every keyframe of a run, by exact comparison; ``count`` at most.

    ``live`` grew during the run, and must hold that session only. Matches are given by the stamp of their query, over
    all maps, most similar first; queries without any are left out.
    """
    queries = live.keyframes()
    if not queries:
        return {}
    origins = [(index, keyframe) for index, each in enumerate((live, *maps)) for keyframe in each.keyframes()]
    references = [_descriptors(each) for each in (live, *maps)]
    found = {}
    for rows in blocks(len(queries), len(origins)):
        tables = [np.asarray(references[0][rows] @ descriptors.T, dtype=np.float32) for descriptors in references]
        tables[0] = np.where(admissible(queries, config, rows), tables[0], -np.inf)
        for query, row in zip(queries[rows], np.concatenate(tables, axis=1), strict=True):
            columns = [int(column) for column in np.argsort(-row, kind="stable")[:count] if np.isfinite(row[column])]
            if columns:
                found[query.stamp_ns] = tuple(_match(query, *origins[c], float(row[c])) for c in columns)
    return found


def _match(query: Keyframe, index: int, keyframe: Keyframe, similarity: float) -> Match:
    return Match(query.stamp_ns, index, keyframe.id, keyframe.session_id, keyframe.stamp_ns, similarity)


def _descriptors(place_map: PlaceMap) -> npt.NDArray[np.float32]:
    return place_map.descriptors([keyframe.id for keyframe in place_map.keyframes()])
