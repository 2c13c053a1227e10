"""Every image of a run against every other, beside what is true."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from a2gc_ros.viz import style


def draw_similarity(similarity: npt.NDArray[np.float32], same_place: npt.NDArray[np.bool_]) -> Figure:
    """Draws the similarity matrix and the true one side by side.

    Args:
        similarity: float32 (Q, R), cosines.
        same_place: bool (Q, R), whether both show the same place.
    """
    with style.styled():
        figure = style.new_figure(12.0, 5.6)
        left, right = figure.subplots(1, 2)
        shade = left.imshow(similarity, cmap="cividis", aspect="equal", interpolation="nearest")
        figure.colorbar(shade, ax=left, label="cosine similarity", shrink=0.85)
        left.set_title("How alike the images are")
        right.imshow(
            same_place,
            cmap=ListedColormap(["#F6F8FA", style.RIGHT]),
            aspect="equal",
            interpolation="nearest",
            vmin=0,
            vmax=1,
        )
        right.set_title("Which images show the same place")
        for axes in (left, right):
            _label(axes)
    return figure


def _label(axes: Axes) -> None:
    axes.grid(False)
    axes.set(xlabel="earlier image", ylabel="image")
