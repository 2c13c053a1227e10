"""Which cluster takes which patch, what is left to the dustbin, and what the place of a patch adds."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import numpy.typing as npt
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from a2gc_ros.viz import style
from a2gc_ros.viz.patch_grid import extent_of, show_with_overlay

Array = npt.NDArray[np.float32]

DUSTBIN = "#24292F"
MOST_CLUSTERS = 64
"""Small pictures of more clusters than these would show nothing; the first ones are drawn then."""

MOST_WORDS = 5
"""Where more maps than these lie side by side, a number has to do."""


def principal_colors(features: Array) -> Array:
    """The three strongest directions of patch features as red, green and blue, float32 (H', W', 3) in [0, 1].

    Args:
        features: float32 (H', W', C).
    """
    rows, columns, channels = features.shape
    flat = features.reshape(-1, channels).astype(np.float64)
    flat -= flat.mean(axis=0)
    _, _, directions = np.linalg.svd(flat, full_matrices=False)
    # The sign of a direction is arbitrary; fixed, the same image gets the same colors.
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    shares = np.zeros((rows * columns, 3))
    kept = min(3, len(directions))
    shares[:, :kept] = flat @ (directions[:kept] * signs[:kept, None]).T
    low, high = np.percentile(shares, (1, 99), axis=0)
    scaled = np.clip((shares - low) / np.maximum(high - low, 1e-12), 0, 1)
    return scaled.reshape(rows, columns, 3).astype(np.float32)


def draw_features(image: npt.NDArray[np.uint8], features: Array, plan: Array | None, *, title: str) -> Figure:
    """Draws an image, its patch features in three colors and, with a plan, who takes each patch.

    Args:
        image: uint8 (H, W, 3), RGB, as the model was given it.
        features: float32 (H', W', C).
        plan: float32 (m+1, H', W'), share of each patch, the dustbin last; or None.
        title: Stands above the picture.
    """
    with style.styled():
        figure = style.new_figure(12.0, 8.6, title)
        (seen, colored), (taken, dustbin) = figure.subplots(2, 2)
        seen.imshow(image)
        seen.set_title("As the model sees it")
        colored.imshow(principal_colors(features), extent=extent_of(image), interpolation="nearest")
        colored.set_title("Patch features: like colors, like features")
        if plan is not None:
            clusters = len(plan) - 1
            winners = show_with_overlay(
                taken,
                image,
                plan.argmax(axis=0),
                limits=(-0.5, clusters + 0.5),
                cmap=cluster_colors(clusters),
                alpha=0.7,
            )
            taken.set_title("Who takes most of a patch")
            bar = figure.colorbar(winners, ax=taken, shrink=0.8)
            step = math.ceil(clusters / 8)
            ticks = [*range(0, clusters, step), clusters]
            bar.set_ticks(ticks, labels=[*(f"cluster {t}" for t in ticks[:-1]), "dustbin"])
            shade = show_with_overlay(dustbin, image, plan[-1], limits=(0.0, 1.0))
            dustbin.set_title("Left to the dustbin")
            figure.colorbar(shade, ax=dustbin, label="share of the patch", shrink=0.8)
        for axes in (seen, colored, taken, dustbin):
            axes.set_axis_off()
    return figure


def cluster_colors(clusters: int) -> ListedColormap:
    """A color for each cluster, and a dark one for the dustbin."""
    shades = style.CATEGORIES if clusters <= len(style.CATEGORIES) else _spread(clusters)
    return ListedColormap([*shades[:clusters], DUSTBIN])


def draw_clusters(maps: Array, *, title: str, label: str, centered: bool = False) -> Figure:
    """Draws one small map for each cluster, all with the same shades.

    Args:
        maps: float32 (m, H', W').
        title: Stands above the picture.
        label: What a shade means.
        centered: Whether zero is the middle of the shades.
    """
    shown = maps[:MOST_CLUSTERS]
    side = math.ceil(math.sqrt(len(shown)))
    high = float(np.abs(shown).max()) or 1.0
    low = -high if centered else 0.0
    with style.styled():
        note = f", the first {len(shown)} of {len(maps)}" if len(shown) < len(maps) else ""
        figure = style.new_figure(10.0, 6.8, title + note)
        panels = np.atleast_1d(figure.subplots(side, side)).ravel()
        for axes in panels:
            axes.set_axis_off()
        for number, (axes, values) in enumerate(zip(panels[: len(shown)], shown, strict=True)):
            shade = axes.imshow(
                values, cmap="PuOr" if centered else "cividis", vmin=low, vmax=high, interpolation="nearest"
            )
            axes.set_title(f"cluster {number}" if side <= MOST_WORDS else str(number), fontsize=9, pad=2)
        figure.colorbar(shade, ax=list(panels), label=label, shrink=0.7)
    return figure


def _spread(count: int) -> list[tuple[float, ...]]:
    """Colors far apart for neighbors in number: steps of the golden ratio round the hues, three lightnesses."""
    golden = 0.618034
    return [colorsys.hls_to_rgb((i * golden) % 1.0, (0.35, 0.55, 0.75)[i % 3], 0.65) for i in range(count)]
