"""A similarity matrix as pictures, tile by tile, so that a page can show one of millions of cells."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

TILE: Final = 512
"""Pixels of a tile's side."""

MOST: Final = 2048
"""Pixels of the whole's side; larger matrices show the largest of each block of cells, so that bright ones stay."""


@dataclass(frozen=True)
class Shades:
    """Which cosines black and white stand for."""

    low: float
    high: float


def shades(table: npt.NDArray[np.float32], of_interest: npt.NDArray[np.bool_] | None = None) -> Shades:
    """Chooses the range of cosines in which there is something to be told apart.

    Args:
        table: float32 (Q, R), cosines.
        of_interest: bool (Q, R), those that the range is for; all where None.
    """
    values = table.ravel() if of_interest is None or not of_interest.any() else table[of_interest]
    if not values.size:
        return Shades(0.0, 1.0)
    if len(values) > 1_000_000:
        values = values[:: len(values) // 1_000_000]
    low, high = np.percentile(values, (2, 99.9))
    return Shades(float(low), float(max(high, low + 1e-3)))


def tiles(table: npt.NDArray[np.float32], range_: Shades) -> list[dict[str, Any]]:
    """Cuts a matrix into grey pictures.

    Args:
        table: float32 (Q, R), cosines.
        range_: Black and white.

    Returns:
        For each tile ``row``, ``column``, ``rows`` and ``columns``, in cells of the matrix, and ``type`` and ``bytes``
        (base64) of its picture.
    """
    block = max(1, -(-max(table.shape) // MOST))
    found = []
    cells = TILE * block
    for row in range(0, table.shape[0], cells):
        for column in range(0, table.shape[1], cells):
            part = table[row : row + cells, column : column + cells]
            scaled = (_largest(part, block) - range_.low) / (range_.high - range_.low)
            gray = np.asarray(np.clip(np.round(scaled * 255), 0, 255), dtype=np.uint8)
            # One pixel is one cell of a small matrix, and every one counts.
            lossless = table.size <= TILE * TILE
            kind, ending = ("image/png", ".png") if lossless else ("image/webp", ".webp")
            options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if lossless else [cv2.IMWRITE_WEBP_QUALITY, 60]
            _, data = cv2.imencode(ending, gray, options)
            encoded = base64.b64encode(bytes(data)).decode("ascii")
            shape = {"rows": gray.shape[0] * block, "columns": gray.shape[1] * block}
            found.append({"row": row, "column": column, **shape, "type": kind, "bytes": encoded})
    return found


def _largest(part: npt.NDArray[np.float32], block: int) -> npt.NDArray[np.float32]:
    """The largest of each block of cells, (rows / block, columns / block), rounded up."""
    if block == 1:
        return part
    rows, columns = (-(-size // block) * block for size in part.shape)
    padded = np.full((rows, columns), -np.inf, dtype=np.float32)
    padded[: part.shape[0], : part.shape[1]] = part
    return np.asarray(padded.reshape(rows // block, block, columns // block, block).max(axis=(1, 3)), dtype=np.float32)
