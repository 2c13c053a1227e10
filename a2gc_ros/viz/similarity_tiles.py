"""A similarity matrix as pictures, tile by tile, so that a page can show one of millions of cells."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

TILE: Final = 512
"""Pixels of a tile's side."""

MOST: Final = 2048
"""Pixels of the whole's side; larger matrices show the largest of each block of cells, so that bright ones stay."""

CELLS_AT_ONCE: Final = 8_000_000
"""Cosines in memory at a time."""


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


@dataclass(frozen=True)
class Pooled:
    """A matrix small enough to be drawn.

    Attributes:
        table: float32 (ceil(rows / block), ceil(columns / block)), the largest cosine of each block of cells.
        block: Cells of a block's side; 1 where the matrix is small.
        rows: Of the whole matrix.
        columns: Of the whole matrix.
    """

    table: npt.NDArray[np.float32]
    block: int
    rows: int
    columns: int


def pooled_cosines(
    queries: npt.NDArray[np.float32],
    references: npt.NDArray[np.float32],
    on_rows: Callable[[int, npt.NDArray[np.float32]], None] = lambda _begin, _cosines: None,
) -> Pooled:
    """Compares everything with everything, some rows at a time, so that a day's run fits into memory.

    Args:
        queries: float32 (Q, D), L2-normalized.
        references: float32 (R, D), L2-normalized.
        on_rows: Is given the first row of each part, and its cosines, float32 (q, R).
    """
    rows, columns = len(queries), len(references)
    block = _block(rows, columns)
    step = block * max(1, CELLS_AT_ONCE // (block * max(1, columns)))
    parts = []
    for begin in range(0, rows, step):
        cosines = np.asarray(queries[begin : begin + step] @ references.T, dtype=np.float32)
        on_rows(begin, cosines)
        parts.append(_largest(cosines, block))
    table = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
    return Pooled(table, block, rows, columns)


def pooled(table: npt.NDArray[np.float32]) -> Pooled:
    """Makes a whole matrix, float32 (Q, R), small enough to be drawn."""
    rows, columns = table.shape
    block = _block(rows, columns)
    return Pooled(_largest(table, block), block, rows, columns)


def drawn_table(name: str, matrix: Pooled, range_: Shades, first: int) -> dict[str, Any]:
    """A matrix as the page's script takes it.

    Args:
        name: Of what is compared with.
        matrix: The cosines.
        range_: Black and white.
        first: Spot of the first column.
    """
    shape = {"rows": matrix.rows, "columns": matrix.columns}
    return {"name": name, **shape, "first": first, "tiles": tiles(matrix, range_)}


def tiles(matrix: Pooled, range_: Shades) -> list[dict[str, Any]]:
    """Cuts a matrix into gray pictures.

    Returns:
        For each tile ``row``, ``column``, ``rows`` and ``columns``, in cells of the whole matrix, and ``type`` and
        ``bytes`` (base64) of its picture.
    """
    table, block = matrix.table, matrix.block
    found = []
    for row in range(0, table.shape[0], TILE):
        for column in range(0, table.shape[1], TILE):
            scaled = (table[row : row + TILE, column : column + TILE] - range_.low) / (range_.high - range_.low)
            gray = np.asarray(np.clip(np.round(scaled * 255), 0, 255), dtype=np.uint8)
            # One pixel is one cell of a small matrix, and every one counts.
            lossless = table.size <= TILE * TILE
            kind, ending = ("image/png", ".png") if lossless else ("image/webp", ".webp")
            options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if lossless else [cv2.IMWRITE_WEBP_QUALITY, 60]
            _, data = cv2.imencode(ending, gray, options)
            encoded = base64.b64encode(bytes(data)).decode("ascii")
            shape = {"rows": gray.shape[0] * block, "columns": gray.shape[1] * block}
            at = {"row": row * block, "column": column * block}
            found.append({**at, **shape, "type": kind, "bytes": encoded})
    return found


def _block(rows: int, columns: int) -> int:
    return max(1, -(-max(rows, columns) // MOST))


def _largest(part: npt.NDArray[np.float32], block: int) -> npt.NDArray[np.float32]:
    """The largest of each block of cells, (rows / block, columns / block), rounded up."""
    if block == 1:
        return part
    rows, columns = (-(-size // block) * block for size in part.shape)
    padded = np.full((rows, columns), -np.inf, dtype=np.float32)
    padded[: part.shape[0], : part.shape[1]] = part
    return np.asarray(padded.reshape(rows // block, block, columns // block, block).max(axis=(1, 3)), dtype=np.float32)
