"""Values on a grid of patches, drawn over the image they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

OPACITY = 0.6


def patch_centers(grid: tuple[int, int], size: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Centers (x, y) of the patches of an image, float64 (rows * columns, 2), row by row.

    Args:
        grid: Rows and columns.
        size: Width and height of the image, in the unit of the result.
    """
    rows, columns = grid
    y, x = np.mgrid[0:rows, 0:columns].reshape(2, -1)
    return np.stack([(x + 0.5) * size[0] / columns, (y + 0.5) * size[1] / rows], axis=1)


def extent_of(image: npt.NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top at which matplotlib draws an image, (H, W, 3), by default."""
    height, width = image.shape[:2]
    return -0.5, width - 0.5, height - 0.5, -0.5


def show_with_overlay(
    axes: Axes,
    image: npt.NDArray[np.uint8],
    values: npt.NDArray[Any],
    *,
    limits: tuple[float, float],
    **shades: Any,
) -> AxesImage:
    """Draws a gray image with one shade for each patch over it.

    Args:
        axes: Where to draw; its frame is switched off.
        image: uint8 (H, W, 3), RGB.
        values: (H', W'), one for each patch.
        limits: Values of the darkest and of the brightest shade.
        shades: Other words of matplotlib's imshow.
    """
    axes.imshow(image.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    look = {"cmap": "cividis", "alpha": OPACITY, "interpolation": "nearest", **shades}
    return axes.imshow(values, extent=extent_of(image), vmin=limits[0], vmax=limits[1], **look)
