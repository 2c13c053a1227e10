"""The nearest keyframes of a frame over the live session's map and the loaded ones."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Match
from a2gc_ros.placemap import PlaceMap

Ids: TypeAlias = npt.NDArray[np.int64]

APART_KEYFRAMES: Final = 25
"""Without odometry: keyframes of one session that lie more than this apart show different places, or another visit."""

LARGE: Final = 10_000
MOST_THREADS: Final = 8
"""Two maps or more of so many keyframes are searched in threads; for smaller ones that costs more than it spares."""


@dataclass(frozen=True)
class LocatedMatch:
    """A match, and where its keyframe lies along its session.

    Attributes:
        ordinal: Number of the keyframe within its session.
        path_length: Metres from the session's begin, NaN without odometry.
        position: x, y, z in the session's odometry frame, metres, NaN without odometry.
    """

    match: Match
    ordinal: int
    path_length: float
    position: tuple[float, ...]


def recent(place_map: PlaceMap, session_id: int, stamp_ns: int, path_length: float | None, config: LoopConfig) -> Ids:
    """Returns the ids of a session's keyframes that are too near in time or along the way to be a loop.

    Distance along the way counts only where both ends have odometry.
    """
    # The keyframe stored last is the one that looks most alike: it must be among the columns.
    place_map.prepare()
    columns = place_map.columns
    near = np.abs(columns.stamps_ns - stamp_ns) < config.min_time_gap_s * 1e9
    if path_length is not None:
        # A comparison with NaN is false: no odometry, no exclusion by distance.
        near |= np.abs(columns.path_length - path_length) < config.min_travel_m
    return columns.ids[near & (columns.sessions == session_id)]


def nearest(
    place_map: PlaceMap,
    map_index: int,
    stamp_ns: int,
    descriptor: npt.NDArray[np.float32],
    k: int,
    exclude: Ids | None = None,
) -> list[LocatedMatch]:
    """Returns the k nearest keyframes of one map, best first.

    Raises:
        MapError: If the descriptor does not fit the map.
    """
    similarities, ids = place_map.search(descriptor, k, exclude=exclude)
    found = ids[0] >= 0
    columns = place_map.columns
    rows = columns.rows_of(ids[0][found])
    return [
        LocatedMatch(
            Match(
                query_stamp_ns=stamp_ns,
                map_index=map_index,
                keyframe_id=int(columns.ids[row]),
                session_id=int(columns.sessions[row]),
                keyframe_stamp_ns=int(columns.stamps_ns[row]),
                similarity=float(similarity),
            ),
            ordinal=int(columns.ordinals[row]),
            path_length=float(columns.path_length[row]),
            position=tuple(columns.positions[row].tolist()),
        )
        for similarity, row in zip(similarities[0][found], rows, strict=True)
    ]


def nearest_in_each(
    maps: Sequence[PlaceMap],
    stamp_ns: int,
    descriptor: npt.NDArray[np.float32],
    k: int,
    exclude: Ids | None = None,
) -> list[LocatedMatch]:
    """Returns the k nearest keyframes of each map, best first; ties as :func:`best_first` sorts them.

    Where two or more are large, maps are searched beside one another. ``exclude`` holds ids of keyframes of the first
    map that must not be found. ``descriptor`` is float32 (D,); maps are counted as ``Match.map_index`` does.

    Raises:
        MapError: If the descriptor does not fit a map.
    """

    def one(index: int) -> list[LocatedMatch]:
        return nearest(maps[index], index, stamp_ns, descriptor, k, exclude if index == 0 else None)

    large = sum(len(place_map.columns) >= LARGE for place_map in maps)
    search = _searchers().map if large > 1 else map
    found = search(one, range(len(maps)))
    return best_first(list(itertools.chain.from_iterable(found)))


@functools.cache
def _searchers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), "map-search")


def elsewhere(place_map: PlaceMap, session_id: int, excluded: Ids, located: Sequence[LocatedMatch]) -> Ids:
    """Returns the ids of a session's keyframes that are far along it from a place: most likely other places.

    Those excluded are left out besides. Of ``located`` only the session's first match counts; without one all are other
    places.
    """
    columns = place_map.columns
    other = columns.sessions == session_id
    best = next((found for found in located if found.match.session_id == session_id), None)
    if best is not None:
        other &= np.abs(columns.ordinals - best.ordinal) > APART_KEYFRAMES
    other[columns.rows_of(excluded)] = False
    return columns.ids[other]


def best_first(located: Sequence[LocatedMatch]) -> list[LocatedMatch]:
    """Sorts by similarity; ties by map and keyframe, so that the order is always the same."""
    return sorted(located, key=lambda m: (-m.match.similarity, m.match.map_index, m.match.keyframe_id))
