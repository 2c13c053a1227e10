"""Antialiased resampling that gives Pillow's pixels at a fraction of Pillow's time.

Pillow, and torchvision's ``antialias=True`` with it, widens the interpolation kernel by the reduction factor,
so that every source pixel counts. OpenCV has no such mode. Here one axis is one banded matrix of Pillow's
weights, multiplied in blocks that skip the zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Interpolation = Literal["bilinear", "bicubic"]

# Pillow rounds to bytes between its two passes. So do we from this reduction in both directions on; below it the
# descriptors in existing maps come from passes without it, and a pixel differs from Pillow's by one gray level at most.
ROUNDED_FROM = 3

# Target rows per block of the banded product: few, to skip most of the zeros; fewer where the bands are wide.
BLOCK, BLOCK_WHERE_ROUNDED = 8, 4

# Multiply-adds of one product. A BLAS starts its threads above about this size, and where the cores are
# busy, waiting for those threads costs far more than they save.
PRODUCT = 200_000


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -1/2, as Pillow and torchvision's antialiased resize use it."""
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1.0
    outer = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return np.where(x < 1.0, inner, np.where(x < 2.0, outer, 0.0))


_KERNELS: dict[Interpolation, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}


def antialias_weights(source: int, target: int, interpolation: Interpolation) -> NDArray[np.float64]:
    """Weights with which Pillow resizes one axis.

    Args:
        source: Number of source pixels.
        target: Number of target pixels.
        interpolation: Kernel, widened by source/target when that is above one.

    Returns:
        Matrix of shape (target, source), float64; every row sums to one.
    """
    kernel, radius = _KERNELS[interpolation]
    scale = source / target
    width = max(scale, 1.0)
    centers = (np.arange(target) + 0.5) * scale
    first = np.maximum(np.floor(centers - radius * width + 0.5), 0)
    last = np.minimum(np.floor(centers + radius * width + 0.5), source)
    pixels = np.arange(source)
    weights = kernel((pixels[None, :] + 0.5 - centers[:, None]) / width)
    weights *= (pixels[None, :] >= first[:, None]) & (pixels[None, :] < last[:, None])
    return weights / weights.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class _Band:
    """Rows ``rows`` of a banded matrix: zero outside the columns ``columns``, ``weights`` inside."""

    rows: slice
    columns: slice
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class _Axis:
    """One axis of a resize: its bands, the number of target pixels, and whether weights below zero overshoot."""

    size: int
    overshoots: bool
    bands: tuple[_Band, ...]


@lru_cache(maxsize=64)
def _axis(source: int, target: int, first: int, size: int, interpolation: Interpolation, block: int) -> _Axis:
    """Bands for the target pixels ``first`` to ``first + size`` of an axis resized from source to target."""
    weights = antialias_weights(source, target, interpolation)[first : first + size]
    bands = []
    for start in range(0, size, block):
        rows = weights[start : start + block]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        bands.append(
            _Band(
                slice(start, start + len(rows)),
                slice(low, high),
                np.ascontiguousarray(rows[:, low:high], dtype=np.float32),
            )
        )
    return _Axis(size, bool(weights.min() < 0), tuple(bands))


def _along_rows(axis: _Axis, image: NDArray[Any], dtype: type[np.uint8 | np.float32]) -> NDArray[Any]:
    """Resizes the first axis of an image (H, W, C) to (axis.size, W, C), in [0, 255]; bytes are rounded."""
    flat = image.reshape(len(image), -1)
    result = np.empty((axis.size, flat.shape[1]), dtype)
    # Band by band: a large image as floats would not fit into the cache.
    source = np.empty((max(band.weights.shape[1] for band in axis.bands), flat.shape[1]), np.float32)
    target = np.empty((len(axis.bands[0].weights), flat.shape[1]), np.float32)
    for band in axis.bands:
        rows, taps = band.weights.shape
        np.copyto(source[:taps], flat[band.columns])
        step = max(PRODUCT // band.weights.size, 1)
        for start in range(0, flat.shape[1], step):
            part = slice(start, start + step)
            np.matmul(band.weights, source[:taps, part], out=target[:rows, part])
        if axis.overshoots or dtype is np.float32:
            np.clip(target[:rows], 0.0, 255.0, out=target[:rows])
        if dtype is np.uint8:
            target[:rows] += 0.5
        np.copyto(result[band.rows], target[:rows], casting="unsafe")
    return result.reshape(axis.size, *image.shape[1:])


def resize_antialiased(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    interpolation: Interpolation,
    crop: tuple[int, int, int, int] | None = None,
) -> NDArray[np.uint8]:
    """Resizes an image as Pillow does, within one gray level.

    Args:
        image: uint8 (H, W, 3).
        size: Height and width of the resized image.
        interpolation: Kernel.
        crop: Top, left, height and width of the part of the resized image to compute; all of it by default.

    Returns:
        uint8 (height, width, 3) of ``crop``.
    """
    height, width = size
    top, left, rows, columns = crop or (0, 0, height, width)
    source_height, source_width = image.shape[:2]
    rounded = min(source_height / height, source_width / width) >= ROUNDED_FROM
    block = BLOCK_WHERE_ROUNDED if rounded else BLOCK
    horizontal = _axis(source_width, width, left, columns, interpolation, block)
    vertical = _axis(source_height, height, top, rows, interpolation, block)
    # Columns first, as Pillow does.
    turned = _along_rows(horizontal, cv2.transpose(image), np.uint8 if rounded else np.float32)
    return _along_rows(vertical, cv2.transpose(turned), np.uint8)
