"""The paths of a place map's sessions, and which of their keyframes look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from a2gc_ros.viz import style
from a2gc_ros.viz.session_layout import side_by_side
from a2gc_ros.viz.words import shorten

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
                f"{shorten(session.name, max(MOST_OF_NAMES // len(sessions), LEAST_OF_A_NAME))}: start",
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
