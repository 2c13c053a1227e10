"""Which patches of two images are each other's nearest, and pictures of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from a2gc_ros.viz import style
from a2gc_ros.viz.patch_grid import patch_centers, show_with_overlay

Array = npt.NDArray[np.float32]

SHADES = "cividis"
LINES = "viridis"
"""Brighter over a photograph."""

MOST_OF_A_NAME = 40
"""Characters of an image's name that fit above it."""

GAP = 0.04
"""Between the two images of the lines' picture, as a share of their width."""


@dataclass(frozen=True)
class PatchMatches:
    """Patches of two images that are nearest to each other both ways.

    Attributes:
        similarity: float32 (Q, R), cosine of every patch of the query with every patch of the reference; patches count
            row by row.
        query: int64 (K,), patch of the query, best match first.
        reference: int64 (K,), its patch of the reference.
    """

    similarity: Array
    query: npt.NDArray[np.int64]
    reference: npt.NDArray[np.int64]

    @property
    def scores(self) -> Array:
        """Cosine of each match, float32 (K,)."""
        return self.similarity[self.query, self.reference]


def match_patches(query: Array, reference: Array, *, top_k: int, threshold: float) -> PatchMatches:
    """Finds mutual nearest neighbors.

    Args:
        query: float32 (H', W', C), each patch feature L2-normalized.
        reference: float32 (H'', W'', C), likewise.
        top_k: Most matches kept.
        threshold: Least cosine of a match.
    """
    similarity = query.reshape(-1, query.shape[2]) @ reference.reshape(-1, reference.shape[2]).T
    forth, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    own = np.arange(len(forth))
    scores = similarity[own, forth]
    mutual = own[(back[forth] == own) & (scores >= threshold)]
    best = mutual[np.argsort(-scores[mutual], kind="stable")][:top_k]
    return PatchMatches(similarity, best, forth[best])


@dataclass(frozen=True)
class ComparedImage:
    """One of two compared images.

    Attributes:
        image: uint8 (H, W, 3), RGB, as the model was given it.
        grid: Rows and columns of its patches.
        label: Its name for the picture.
        used: float32 (H', W'), share of each patch that is not left to the dustbin; None where there is none.
    """

    image: npt.NDArray[np.uint8]
    grid: tuple[int, int]
    label: str
    used: Array | None = None


def draw_lines(query: ComparedImage, reference: ComparedImage, matches: PatchMatches, *, title: str) -> Figure:
    """Draws both images side by side with a line for every match, in the shade of its similarity."""
    with style.styled():
        figure = style.new_figure(12.0, 5.2, title)
        axes = figure.add_subplot()
        # Both images are given unit width, so that pictures of any size compare.
        width = 1.0 + GAP
        _place(axes, query, 0.0)
        _place(axes, reference, width)
        starts = patch_centers(query.grid, _extent(query))[matches.query]
        ends = patch_centers(reference.grid, _extent(reference))[matches.reference] + (width, 0.0)
        # The best lie on top.
        lines = LineCollection(
            list(np.stack([starts, ends], axis=1)[::-1]), cmap=LINES, linewidths=1.2, alpha=0.9, zorder=3
        )
        lines.set_array(matches.scores[::-1])
        lines.set_clim(float(matches.scores.min(initial=1.0)), 1.0)
        axes.add_collection(lines)
        for points in (starts, ends):
            axes.scatter(points[:, 0], points[:, 1], s=8, color="white", edgecolor=style.INK, linewidth=0.5, zorder=4)
        axes.set(xlim=(0, width + 1.0), ylim=(max(_extent(query)[1], _extent(reference)[1]), 0), aspect="equal")
        axes.set_axis_off()
        for left, side in ((0.0, query), (width, reference)):
            axes.text(left, -0.02, style.shorten(side.label, MOST_OF_A_NAME), ha="left", va="bottom", fontsize=11)
        figure.colorbar(lines, ax=axes, label="cosine similarity of the patches", shrink=0.85)
    return figure


def draw_patch_similarity(matches: PatchMatches, *, title: str) -> Figure:
    """Draws the similarity of every patch of the query with every patch of the reference, and the matches on it."""
    with style.styled():
        figure = style.new_figure(8.0, 6.8)
        axes = figure.add_subplot()
        shade = axes.imshow(matches.similarity, cmap=SHADES, aspect="auto", interpolation="nearest")
        axes.plot(
            matches.reference,
            matches.query,
            linestyle="",
            marker="o",
            markersize=4,
            markerfacecolor="none",
            markeredgecolor=style.WRONG,
            label=f"mutual nearest patches ({len(matches.query)})",
        )
        axes.grid(False)
        axes.set(
            xlabel="patch of the reference, row by row",
            ylabel="patch of the query, row by row",
            title=title,
            xlim=(-0.5, matches.similarity.shape[1] - 0.5),
            ylim=(matches.similarity.shape[0] - 0.5, -0.5),
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09))
        figure.colorbar(shade, ax=axes, label="cosine similarity")
    return figure


def draw_heatmaps(query: ComparedImage, reference: ComparedImage, matches: PatchMatches, *, title: str) -> Figure:
    """Draws over each image how similar each patch is to its nearest patch in the other, and what the model uses."""
    with style.styled():
        figure = style.new_figure(12.0, 8.6, title)
        panels = figure.subplots(2, 2)
        nearest = (matches.similarity.max(axis=1), matches.similarity.max(axis=0))
        low, high = float(min(map(np.min, nearest))), float(max(map(np.max, nearest)))
        for axes, side, values in zip(panels[0], (query, reference), nearest, strict=True):
            shade = show_with_overlay(axes, side.image, values.reshape(side.grid), limits=(low, high))
            axes.set_title(f"{style.shorten(side.label, MOST_OF_A_NAME)}\nnearest patch in the other")
        figure.colorbar(shade, ax=list(panels[0]), label="cosine similarity", shrink=0.8)
        for axes, side in zip(panels[1], (query, reference), strict=True):
            if side.used is None:
                axes.imshow(side.image)
                axes.set_title("as the model sees it")
            else:
                shade = show_with_overlay(axes, side.image, side.used, limits=(0.0, 1.0))
                axes.set_title("used, not left to the dustbin")
            axes.set_axis_off()
        if query.used is not None and reference.used is not None:
            figure.colorbar(shade, ax=list(panels[1]), label="share of the patch", shrink=0.8)
    return figure


def _extent(side: ComparedImage) -> tuple[float, float]:
    return 1.0, side.image.shape[0] / side.image.shape[1]


def _place(axes: Axes, side: ComparedImage, left: float) -> None:
    width, height = _extent(side)
    axes.imshow(side.image, extent=(left, left + width, height, 0), zorder=1)
