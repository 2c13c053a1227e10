"""Random fields that surfaces are made of."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
"""An RGB picture, uint8 (H, W, 3)."""


def smooth_noise(
    shape: tuple[int, int], rng: np.random.Generator, *, coarsest: float, octaves: int = 4
) -> npt.NDArray[np.float32]:
    """Sums octaves of interpolated white noise, each twice as fine and half as strong as the one before.

    Args:
        shape: Height and width of the field, pixels.
        rng: Source of randomness.
        coarsest: Size of the largest features, pixels.
        octaves: Number of octaves.

    Returns:
        A field of zero mean and unit standard deviation, float32 of ``shape``.
    """
    height, width = shape
    field = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cell = max(coarsest / 2**octave, 1.0)
        rows, columns = max(int(height / cell), 1) + 2, max(int(width / cell), 1) + 2
        grid = rng.standard_normal((rows, columns)).astype(np.float32)
        field += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def shade(image: Image, gain: npt.NDArray[np.float32]) -> Image:
    """Multiplies an RGB image, uint8 (H, W, 3), by a gain per pixel, (H, W)."""
    return np.clip(image * gain[..., None], 0, 255).astype(np.uint8)


def tileable(image: Image, margin: int) -> Image:
    """Blends the borders of an image with their opposites, so that copies side by side show no seam.

    Args:
        image: uint8 (H, W, 3).
        margin: Width of the blended border, pixels; removed from the result on the right and the bottom.

    Returns:
        uint8 (H - margin, W - margin, 3).
    """
    result = image.astype(np.float32)
    weight = np.linspace(0, 1, margin, dtype=np.float32)[:, None, None]
    for _ in ("rows", "columns"):
        seam = result[:margin] * weight + result[-margin:] * (1 - weight)
        result = np.concatenate([seam, result[margin:-margin]]).swapaxes(0, 1)
    return result.astype(np.uint8)
