"""How alike a map's different places look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from a2gc_ros.viz import style

Array = npt.NDArray[np.float64]


def draw_calibration(
    maxima: Array, similarities: Array, chance: Array, interval: Array, thresholds: Sequence[tuple[float, float]]
) -> Figure:
    """Draws the similarities of impostors, and how likely one of them is above a similarity.

    Args:
        maxima: float64 (Q,), each query's most similar keyframe of another place.
        similarities: float64 (S,), ascending, of the curve.
        chance: float64 (S,), probability of a false match for a query.
        interval: float64 (S, 2), its lower and upper bound.
        thresholds: (rate, similarity) to mark.
    """
    with style.styled():
        figure = style.new_figure(7.0, 6.0)
        above, below = figure.subplots(2, 1, sharex=True)
        above.hist(maxima, bins=40, color=style.PATH)
        above.set(ylabel="queries", title="Most similar keyframe of another place")
        below.fill_between(similarities, *interval.T, color=style.ACCENT, alpha=0.2, linewidth=0, label="95 % interval")
        below.semilogy(similarities, chance, color=style.ACCENT, label="fitted, for the whole map")
        seen = 1 - np.arange(len(maxima)) / max(1, len(maxima))
        below.plot(np.sort(maxima), seen, ".", color=style.INK, ms=3, label="seen, for a part of it")
        for rate, similarity in thresholds:
            below.plot([similarity], [rate], "o", color=style.WRONG)
            below.annotate(f"{rate:g}: {similarity:.3f}", (similarity, rate), xytext=(6, 2), textcoords="offset points")
        below.set(xlabel="similarity", ylabel="probability for a query", ylim=(1e-5, 1.2))
        below.legend(loc="lower left")
    return figure
