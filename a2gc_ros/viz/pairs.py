"""Matched images side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from a2gc_ros.viz import style

MAX_PAIRS = 6


@dataclass(frozen=True)
class Pair:
    """A query and the keyframe it was matched with.

    Attributes:
        query: uint8 (H, W, 3), RGB.
        keyframe: uint8 (H, W, 3), RGB.
        caption: Stands under the pair.
        right: Whether both show the same place; None when unknown.
    """

    query: npt.NDArray[np.uint8]
    keyframe: npt.NDArray[np.uint8]
    caption: str
    right: bool | None


def draw_pairs(pairs: Sequence[Pair], *, title: str) -> Figure:
    """Draws up to six pairs in two columns; the frame says whether a pair is right.

    The figure always has the same size, so that reports can be laid side by side.
    """
    with style.styled():
        figure = style.new_figure(12.0, 9.0)
        figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
        grid = figure.subplots(MAX_PAIRS // 2, 2)
        shown = pairs[:MAX_PAIRS]
        for axes, pair in zip(grid.flat[: len(shown)], shown, strict=True):
            _draw(axes, pair)
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
    return figure


def side_by_side(pair: Pair, *, height: int = 240) -> npt.NDArray[np.uint8]:
    """Puts both images of a pair next to each other at the same height; uint8 (height, W, 3)."""
    parts = []
    for image in (pair.query, pair.keyframe):
        width = max(1, round(image.shape[1] * height / image.shape[0]))
        parts.append(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    gap = np.full((height, 6, 3), 255, np.uint8)
    return np.asarray(np.concatenate([parts[0], gap, parts[1]], axis=1), dtype=np.uint8)


def _draw(axes: Axes, pair: Pair) -> None:
    axes.imshow(side_by_side(pair))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.set_xlabel(pair.caption, fontsize=10)
    colour = {True: style.RIGHT, False: style.WRONG, None: style.MISSED}[pair.right]
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=3)
