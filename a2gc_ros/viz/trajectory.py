"""The path of a robot with what it recognised on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from a2gc_ros.viz import style

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Links:
    """Lines from query to keyframe.

    Attributes:
        queries: float64 (N, 3): x and y in metres, seconds since the start.
        keyframes: float64 (N, 3), likewise; keyframes of a loaded map lie at second 0.
        right: bool (N,).
    """

    queries: Points
    keyframes: Points
    right: npt.NDArray[np.bool_]


def draw_trajectory(
    path: Points, links: Links, missed: Points, *, mapped: Points | None = None, title: str = "Loop closures"
) -> Figure:
    """Draws a path from above, and once more lifted by time, so that laps over the same ground come apart.

    Args:
        path: float64 (N, 3): x and y in metres, seconds since the start, in driving order.
        links: Accepted closures.
        missed: float64 (M, 3), where a known place was not recognised.
        mapped: float64 (K, 3), keyframes of a loaded map, at second 0.
        title: Stands above the picture.
    """
    keyframes = np.empty((0, 3)) if mapped is None else mapped
    with style.styled():
        figure = style.new_figure(13.0, 6.6)
        figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
        plan, lifted = figure.subplots(1, 2)
        _draw(plan, path, links, missed, keyframes)
        plan.set(xlabel="x [m]", ylabel="y [m]", title="From above")
        plan.set_aspect("equal", adjustable="datalim")
        lift = _Lift(path)
        _draw(
            lifted,
            lift(path),
            Links(lift(links.queries), lift(links.keyframes), links.right),
            lift(missed),
            lift(keyframes),
        )
        lifted.set(aspect="equal", title="Lifted by time: a line joins a place with itself")
        lifted.set_axis_off()
        style.legend_below(figure, _legend(links, len(missed), len(keyframes)), columns=5, fontsize=11)
    return figure


class _Lift:
    """Oblique projection: depth goes up and to the right at half length, time goes straight up."""

    def __init__(self, path: Points) -> None:
        extent = float(np.ptp(path[:, :2], axis=0).max()) if len(path) else 1.0
        seconds = float(path[:, 2].max()) if len(path) else 1.0
        self._rise = 0.75 * extent / max(seconds, 1e-9)

    def __call__(self, points: Points) -> Points:
        x, y, seconds = points.T
        return np.stack([x + 0.35 * y, 0.35 * y + self._rise * seconds], axis=1)


def _draw(axes: Axes, path: Points, links: Links, missed: Points, mapped: Points) -> None:
    axes.plot(path[:, 0], path[:, 1], color=style.PATH, linewidth=4, solid_capstyle="round", zorder=1)
    axes.scatter(mapped[:, 0], mapped[:, 1], s=10, color=style.ACCENT, zorder=2)
    axes.scatter(missed[:, 0], missed[:, 1], s=16, color=style.MISSED, zorder=3)
    for right, colour, width, order in ((True, style.RIGHT, 0.9, 4), (False, style.WRONG, 2.0, 5)):
        ends = links.queries[links.right == right, :2]
        starts = links.keyframes[links.right == right, :2]
        segments = list(np.stack([ends, starts], axis=1))
        axes.add_collection(LineCollection(segments, colors=colour, linewidths=width, zorder=order))
        axes.scatter(ends[:, 0], ends[:, 1], s=14, color=colour, zorder=order)
    if len(path):
        axes.plot(path[0, 0], path[0, 1], marker="o", markersize=9, color="white", markeredgecolor=style.INK, zorder=6)
        axes.annotate("start", (path[0, 0], path[0, 1]), xytext=(8, 8), textcoords="offset points", zorder=6)
    axes.margins(0.08)


def _legend(links: Links, missed: int, mapped: int) -> list[Line2D]:
    def dots(colour: str, label: str) -> Line2D:
        return Line2D([], [], color=colour, marker="o", markersize=5, linestyle="", label=label)

    def joined(colour: str, label: str) -> Line2D:
        return Line2D([], [], color=colour, marker="o", markersize=5, label=label)

    right = int(np.count_nonzero(links.right))
    entries = [
        Line2D([], [], color=style.PATH, linewidth=5, label="true path"),
        joined(style.RIGHT, f"right ({right})"),
        joined(style.WRONG, f"wrong ({len(links.right) - right})"),
        dots(style.MISSED, f"missed ({missed})"),
    ]
    if mapped:
        entries.append(dots(style.ACCENT, f"map ({mapped})"))
    return entries
