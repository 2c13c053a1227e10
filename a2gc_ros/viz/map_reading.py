"""What a picture of a place map needs from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.viz.map_matches import MapMatches, SessionPath

CANDIDATES = 64
"""Neighbours looked through for one far enough away in time."""


def session_paths(place_map: PlaceMap) -> tuple[list[Keyframe], list[SessionPath]]:
    """Returns the keyframes that have poses, session by session, and their paths in the same order.

    Raises:
        MapError: If none has a pose.
    """
    keyframes: list[Keyframe] = []
    sessions: list[SessionPath] = []
    for session in place_map.sessions():
        posed = [keyframe for keyframe in place_map.keyframes(session.id) if keyframe.pose is not None]
        if posed:
            keyframes += posed
            positions = np.array([k.pose[:2, 3] for k in posed if k.pose is not None])
            sessions.append(SessionPath(session.name, positions))
    if not keyframes:
        raise MapError(f"{place_map.path} has no poses to draw a path from; build it with odometry or --trajectory")
    return keyframes, sessions


def best_matches(place_map: PlaceMap, keyframes: Sequence[Keyframe], *, most: int, gap_s: float) -> MapMatches:
    """Finds for each keyframe the one most like it in another session, or at least a gap away in its own.

    Args:
        place_map: The map.
        keyframes: Those that are matched with each other; matches count their places in this sequence.
        most: How many matches are kept, the most alike first; similarities of different models have different scales.
        gap_s: Seconds.
    """
    rows = {keyframe.id: row for row, keyframe in enumerate(keyframes)}
    similarities, ids = place_map.search(place_map.descriptors(list(rows)), CANDIDATES)
    found: dict[tuple[int, int], float] = {}
    for row, keyframe in enumerate(keyframes):
        for similarity, other_id in zip(similarities[row], ids[row], strict=True):
            other_row = rows.get(int(other_id))
            if other_row is None:
                continue
            other = keyframes[other_row]
            if other.session_id != keyframe.session_id or abs(other.stamp_ns - keyframe.stamp_ns) >= gap_s * 1e9:
                found[min(row, other_row), max(row, other_row)] = float(similarity)
                break
    best = sorted(found, key=lambda pair: -found[pair])[:most]
    return MapMatches(
        np.array(best, dtype=np.int64).reshape(-1, 2), np.array([found[pair] for pair in best], dtype=np.float32)
    )
