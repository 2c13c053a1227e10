"""A robot's path before and after its loops were closed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from a2gc_ros.viz import style

Points = npt.NDArray[np.float64]


def draw_correction(
    before: Points, after: Points, links: npt.NDArray[np.int64], *, truth: Points | None = None, titles: tuple[str, str]
) -> Figure:
    """Draws both paths from above, side by side, at one scale.

    Args:
        before: float64 (N, 2), metres, by odometry.
        after: float64 (N, 2), metres, the same stamps after correction.
        links: int (L, 2), rows of both paths between which a closure lies.
        truth: float64 (N, 2), metres, or None; lies below either path.
        titles: Of the two pictures.
    """
    everything = np.concatenate([before, after, *([] if truth is None else [truth])])
    low, high = everything.min(axis=0), everything.max(axis=0)
    margin = 0.05 * float((high - low).max()) + 0.5
    with style.styled():
        figure = style.new_figure(13.0, 5.6)
        for axes, path, title, color in zip(
            figure.subplots(1, 2), (before, after), titles, (style.SECOND, style.ACCENT), strict=True
        ):
            if truth is not None:
                axes.plot(truth[:, 0], truth[:, 1], color=style.PATH, linewidth=6)
            segments = list(path[links]) if len(links) else []
            axes.add_collection(LineCollection(segments, colors=style.RIGHT, linewidths=0.9))
            axes.plot(path[:, 0], path[:, 1], color=color, linewidth=1.6)
            axes.plot(*path[0], marker="o", markersize=9, color="white", markeredgecolor=style.INK)
            axes.set(title=title, xlabel="x [m]", ylabel="y [m]", aspect="equal")
            axes.set_xlim(low[0] - margin, high[0] + margin)
            axes.set_ylim(low[1] - margin, high[1] + margin)
        entries = [Line2D([], [], color=style.PATH, linewidth=6, label="true path")] if truth is not None else []
        entries += [
            Line2D([], [], color=style.SECOND, label="odometry"),
            Line2D([], [], color=style.ACCENT, label="corrected"),
            Line2D([], [], color=style.RIGHT, linewidth=0.9, label="closures"),
        ]
        style.legend_below(figure, entries, columns=4)
    return figure
