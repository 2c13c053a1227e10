"""Precision against recall, and how long answers took."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from a2gc_ros.viz import style


def draw_precision_recall(
    precision: npt.NDArray[np.float64],
    recall: npt.NDArray[np.float64],
    *,
    operating_point: tuple[float, float] | None = None,
) -> Figure:
    """Draws the curve of the single-image matches, and where the whole detector works.

    Args:
        precision: float64 (T,), from the strictest threshold to the loosest.
        recall: float64 (T,).
        operating_point: (recall, precision) of what was accepted.
    """
    with style.styled():
        figure = style.new_figure(6.5, 5.0)
        axes = figure.add_subplot()
        axes.step(recall, precision, where="post", color=style.ACCENT, label="descriptor alone, any threshold")
        if operating_point is not None and np.isfinite(operating_point).all():
            r, p = operating_point
            axes.plot(
                r,
                p,
                marker="*",
                markersize=18,
                color=style.RIGHT,
                markeredgecolor="white",
                linestyle="",
                clip_on=False,
                zorder=5,
                label=f"accepted closures: precision {p:.3f}, recall {r:.3f}",
            )
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02), title="Precision and recall")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=1)
    return figure


def draw_latency(milliseconds: npt.NDArray[np.float64], *, title: str = "From image to answer") -> Figure:
    """Draws a histogram of latencies with the median and the 95th percentile marked.

    Args:
        milliseconds: float64 (N,); NaN entries are left out.
        title: Stands above the picture.
    """
    values = milliseconds[np.isfinite(milliseconds)]
    with style.styled():
        figure = style.new_figure(6.5, 5.0)
        axes = figure.add_subplot()
        if len(values):
            # A few slow starts would otherwise squeeze everything into one bar.
            limit = float(np.percentile(values, 99)) * 1.2
            axes.hist(np.minimum(values, limit), bins=40, range=(0, limit), color=style.ACCENT, alpha=0.85)
            for percent, colour in ((50, style.RIGHT), (95, style.WRONG)):
                mark = float(np.percentile(values, percent))
                axes.axvline(mark, color=colour, linewidth=2, label=f"p{percent} {mark:.1f} ms")
            axes.legend(loc="upper right")
            axes.set_xlim(0, limit)
        axes.set(xlabel="milliseconds", ylabel="images", title=title)
    return figure
