"""Antialiased resampling that gives Pillow's pixels at a fraction of Pillow's time.

Pillow, and torchvision's ``antialias=True`` with it, widens the interpolation kernel by the reduction factor,
so that every source pixel counts. OpenCV has no such mode. Here one axis is one banded matrix of Pillow's
weights, multiplied in blocks that skip the zeros. A large source is first halved by exact 2x2 means; the
weights are then summed over the same pairs of pixels, which makes the halving nearly invisible in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Interpolation = Literal["bilinear", "bicubic"]

# Halve only while this many source pixels per target pixel are left: below it the halving would show.
RESIDUAL_REDUCTION = 1.5

# Target rows per block of the banded product: few, to skip most of the zeros.
BLOCK = 8

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
    centres = (np.arange(target) + 0.5) * scale
    first = np.maximum(np.floor(centres - radius * width + 0.5), 0)
    last = np.minimum(np.floor(centres + radius * width + 0.5), source)
    pixels = np.arange(source)
    weights = kernel((pixels[None, :] + 0.5 - centres[:, None]) / width)
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
    """One axis of a resize after ``halvings`` of the source: its bands and the number of target pixels."""

    size: int
    bands: tuple[_Band, ...]


@lru_cache(maxsize=64)
def _axis(source: int, target: int, first: int, size: int, interpolation: Interpolation, halvings: int) -> _Axis:
    """Bands for the target pixels ``first`` to ``first + size`` of an axis resized from source to target."""
    weights = antialias_weights(source, target, interpolation)[first : first + size]
    for _ in range(halvings):
        pairs = weights.shape[1] // 2
        odd = weights[:, 2 * pairs :]
        weights = weights[:, : 2 * pairs].reshape(size, pairs, 2).sum(axis=2)
        weights[:, -1] += odd.sum(axis=1)
    bands = []
    for start in range(0, size, BLOCK):
        rows = weights[start : start + BLOCK]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        bands.append(
            _Band(
                slice(start, start + len(rows)),
                slice(low, high),
                np.ascontiguousarray(rows[:, low:high], dtype=np.float32),
            )
        )
    return _Axis(size, tuple(bands))


def _along_rows(axis: _Axis, image: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
    """Resizes the first axis of an image (H, W, C) to (axis.size, W, C)."""
    flat = image.reshape(len(image), -1).astype(np.float32, copy=False)
    result = np.empty((axis.size, flat.shape[1]), np.float32)
    for band in axis.bands:
        step = max(PRODUCT // band.weights.size, 1)
        source, target = flat[band.columns], result[band.rows]
        for start in range(0, flat.shape[1], step):
            part = slice(start, start + step)
            np.matmul(band.weights, source[:, part], out=target[:, part])
    return result.reshape(axis.size, *image.shape[1:])


def resize_antialiased(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    interpolation: Interpolation,
    crop: tuple[int, int, int, int] | None = None,
) -> NDArray[np.uint8]:
    """Resizes an image as Pillow does, within about one grey level.

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
    halvings = 0
    while min(source_height / height, source_width / width) >= RESIDUAL_REDUCTION * 2 ** (halvings + 1):
        # An odd last row or column is left out of the mean; its weight goes to the pixel beside it.
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        image = np.asarray(
            cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA),
            dtype=np.uint8,
        )
        halvings += 1
    horizontal = _axis(source_width, width, left, columns, interpolation, halvings)
    vertical = _axis(source_height, height, top, rows, interpolation, halvings)
    # Columns first and clipped between the passes, as Pillow does: a cubic kernel overshoots.
    turned = _along_rows(horizontal, np.asarray(cv2.transpose(image), dtype=np.uint8))
    np.clip(turned, 0.0, 255.0, out=turned)
    upright = _along_rows(vertical, np.asarray(cv2.transpose(turned), dtype=np.float32))
    np.clip(upright, 0.0, 255.0, out=upright)
    upright += 0.5
    return upright.astype(np.uint8)
