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


@dataclass(frozen=True)
class Links:
    """Straight lines from query to keyframe.

    Attributes:
        queries: float64 (N, 2), metres.
        keyframes: float64 (N, 2), metres.
        right: bool (N,).
    """

    queries: npt.NDArray[np.float64]
    keyframes: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


def draw_trajectory(
    path: npt.NDArray[np.float64],
    links: Links,
    missed: npt.NDArray[np.float64],
    *,
    mapped: npt.NDArray[np.float64] | None = None,
    title: str = "Loop closures on the true path",
) -> Figure:
    """Draws a path from above.

    Args:
        path: float64 (N, 2), metres, in driving order.
        links: Accepted closures.
        missed: float64 (M, 2), where a known place was not recognised.
        mapped: float64 (K, 2), keyframes of a loaded map.
        title: Stands above the picture.
    """
    with style.styled():
        figure = style.new_figure(8.5, 7.0)
        axes = figure.add_subplot()
        axes.plot(path[:, 0], path[:, 1], color=style.PATH, linewidth=5, solid_capstyle="round", zorder=1)
        if mapped is not None and len(mapped):
            axes.scatter(mapped[:, 0], mapped[:, 1], s=10, color=style.ACCENT, zorder=2)
        if len(missed):
            axes.scatter(missed[:, 0], missed[:, 1], s=16, color=style.MISSED, zorder=3)
        _draw_links(axes, links)
        if len(path):
            axes.plot(*path[0], marker="o", markersize=9, color="white", markeredgecolor=style.INK, zorder=6)
            axes.annotate("start", path[0], xytext=(8, 8), textcoords="offset points", zorder=6)
        axes.set(xlabel="x [m]", ylabel="y [m]", aspect="equal", title=title)
        axes.margins(0.06)
        axes.legend(handles=_legend(links, len(missed), mapped), loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _draw_links(axes: Axes, links: Links) -> None:
    for right, colour, order in ((True, style.RIGHT, 4), (False, style.WRONG, 5)):
        chosen = links.right == right
        segments = np.stack([links.queries[chosen], links.keyframes[chosen]], axis=1)
        axes.add_collection(LineCollection(list(segments), colors=colour, linewidths=1.6, zorder=order))
        axes.scatter(links.queries[chosen, 0], links.queries[chosen, 1], s=14, color=colour, zorder=order)


def _legend(links: Links, missed: int, mapped: npt.NDArray[np.float64] | None) -> list[Line2D]:
    def entry(colour: str, label: str, marker: str = "o") -> Line2D:
        return Line2D([], [], color=colour, marker=marker, markersize=5, label=label)

    right = int(np.count_nonzero(links.right))
    entries = [
        Line2D([], [], color=style.PATH, linewidth=5, label="true path"),
        entry(style.RIGHT, f"right ({right})"),
        entry(style.WRONG, f"wrong ({len(links.right) - right})"),
        Line2D([], [], color=style.MISSED, marker="o", markersize=5, linestyle="", label=f"missed ({missed})"),
    ]
    if mapped is not None:
        entries.append(
            Line2D([], [], color=style.ACCENT, marker="o", markersize=4, linestyle="", label=f"map ({len(mapped)})")
        )
    return entries
