"""The paths of a place map's sessions, and which of their keyframes look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.viz import style
from a2gc_ros.viz.session_layout import side_by_side

CANDIDATES = 64
"""Neighbors looked through for one far enough away in time."""

MOST_OF_NAMES, LEAST_OF_A_NAME = 60, 4
"""Characters of the sessions' names, all together, and of one where there are many."""


@dataclass(frozen=True)
class SessionPath:
    """The keyframes of one session.

    Attributes:
        name: Of the session.
        positions: float64 (N, 2), x and y in metres in the session's own frame.
    """

    name: str
    positions: npt.NDArray[np.float64]


@dataclass(frozen=True)
class MapMatches:
    """Pairs of keyframes that look alike.

    Attributes:
        keyframes: int64 (K, 2), rows over all sessions' positions, one after the other.
        similarities: float32 (K,), their cosines.
    """

    keyframes: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]


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


def draw_map(sessions: Sequence[SessionPath], matches: MapMatches, *, title: str) -> Figure:
    """Draws sessions side by side, because their frames are not the same, and a line for every match."""
    placed = side_by_side([session.positions for session in sessions])
    points = np.concatenate(placed)
    with style.styled():
        figure = style.new_figure(12.0, 7.2)
        axes = figure.add_subplot()
        order = np.argsort(matches.similarities, kind="stable")
        lines = LineCollection(list(points[matches.keyframes[order]]), cmap="viridis", linewidths=1.3, zorder=3)
        lines.set_array(matches.similarities[order])
        axes.add_collection(lines)
        for session, path in zip(sessions, placed, strict=True):
            axes.plot(path[:, 0], path[:, 1], color=style.PATH, linewidth=3, zorder=1)
            axes.scatter(path[:, 0], path[:, 1], s=9, color=style.MISSED, zorder=2)
            axes.plot(*path[0], marker="o", markersize=8, color="white", markeredgecolor=style.INK, zorder=4)
            axes.annotate(
                f"{style.shorten(session.name, max(MOST_OF_NAMES // len(sessions), LEAST_OF_A_NAME))}: start",
                path[0],
                xytext=(8, 8),
                textcoords="offset points",
                zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
            )
        axes.set(xlabel="x [m]", ylabel="y [m]", title=title)
        axes.set_aspect("equal", adjustable="datalim")
        if len(sessions) > 1:
            axes.set_xlabel("x [m]; each session in its own frame, side by side")
        axes.margins(0.06)
        figure.colorbar(lines, ax=axes, label="cosine similarity of two keyframes", shrink=0.8)
    return figure
