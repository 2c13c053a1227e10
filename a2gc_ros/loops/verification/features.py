"""Local features of one image and their matching between two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

NEIGHBOR_RATIO: Final = 0.8
"""Largest ratio of distances, as a detector's own, between neighboring keyframes, whose views differ less; in one
direction only."""


@dataclass(frozen=True)
class LocalFeatures:
    """Keypoints and unit-length descriptors.

    Attributes:
        points: float64 (N, 2), pixels (x, y); the center of the first pixel is (0, 0).
        descriptors: float32 (N, d), L2-normalized: the cosine orders pairs as the feature's own distance does.
        width: Of the image, pixels.
        height: Of the image, pixels.
        spreads: float32 (N,), how much less exactly each is placed than the best, at least 1: a feature found at a
            coarse scale is placed coarsely.
        inverse_depths: float32 (N,), 1 / metres along the optical axis, NaN where unknown; None where there was no
            depth image.
    """

    points: npt.NDArray[np.float64]
    descriptors: npt.NDArray[np.float32]
    width: int
    height: int
    spreads: npt.NDArray[np.float32] | None = None
    inverse_depths: npt.NDArray[np.float32] | None = None


def chosen(features: LocalFeatures, which: npt.NDArray[np.bool_]) -> LocalFeatures:
    """Returns some of the features, by a mask (N,)."""
    columns = {name: getattr(features, name) for name in ("points", "descriptors", "spreads", "inverse_depths")}
    return replace(features, **{name: column[which] for name, column in columns.items() if column is not None})


def inverse_depths(
    depth: npt.NDArray[np.float32], points: npt.NDArray[np.float64], width: int, height: int
) -> npt.NDArray[np.float32]:
    """Reads a depth image at points; NaN where it knows nothing.

    Args:
        depth: Metres, float32 (H', W').
        points: float64 (N, 2), pixels of an image of the same view.
        width: Of that image.
        height: Of that image.

    Returns:
        1 / metres, float32 (N,).
    """
    scale = np.array([depth.shape[1] / width, depth.shape[0] / height])
    column, row = np.round((points + 0.5) * scale - 0.5).astype(int).T
    found = depth[np.clip(row, 0, depth.shape[0] - 1), np.clip(column, 0, depth.shape[1] - 1)]
    known = np.isfinite(found) & (found > 0)
    return np.where(known, 1 / np.where(known, found, 1), np.nan).astype(np.float32)


def match(a: LocalFeatures, b: LocalFeatures, ratio: float) -> npt.NDArray[np.int64]:
    """Matches features that are each other's nearest and clearly nearer than the second nearest.

    Args:
        a: Features of one image.
        b: Features of the other.
        ratio: Largest ratio of nearest to second-nearest distance, in both directions.

    Returns:
        Pairs of indices into ``a`` and ``b``, (M, 2).
    """
    if min(len(a.points), len(b.points)) < 2:
        return np.empty((0, 2), dtype=np.int64)
    cosines = a.descriptors @ b.descriptors.T
    to_b, best, second = _nearest(cosines)
    # Nearest in the other direction too: nothing in the column is nearer.
    highest = cosines.max(axis=0)
    good = np.flatnonzero((best >= highest[to_b]) & _trusted(best, second, ratio))
    # The second nearest of the other direction is wanted for the few that are left.
    columns = np.ascontiguousarray(cosines[:, to_b[good]].T)
    to_a, best, second = _nearest(columns)
    good = good[(to_a == good) & _trusted(best, second, ratio)]
    return _distinct(np.stack([good, to_b[good]], axis=1), a.points, b.points)


def match_into(a: LocalFeatures, b: LocalFeatures) -> npt.NDArray[np.int64]:
    """Matches the features of one image to another that surely shows the same.

    Returns:
        Pairs of indices into ``a`` and ``b``, (M, 2); none of ``b`` twice.
    """
    if len(a.points) == 0 or len(b.points) < 2:
        return np.empty((0, 2), dtype=np.int64)
    nearest, best, second = _nearest(a.descriptors @ b.descriptors.T)
    # Of those that claim one feature the most similar gets it.
    claims = np.flatnonzero(_trusted(best, second, NEIGHBOR_RATIO))
    claims = claims[np.argsort(-best[claims], kind="stable")]
    _, first = np.unique(nearest[claims], return_index=True)
    kept = np.sort(claims[first])
    return np.stack([kept, nearest[kept]], axis=1)


def _nearest(
    cosines: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns each row's best column, its cosine, and the second best cosine; the table is left as it was."""
    nearest = cosines.argmax(axis=1)
    rows = np.arange(len(nearest))
    best = cosines[rows, nearest]
    cosines[rows, nearest] = -np.inf
    second = cosines.max(axis=1)
    cosines[rows, nearest] = best
    return nearest, best, second


def _trusted(best: npt.NDArray[np.float32], second: npt.NDArray[np.float32], ratio: float) -> npt.NDArray[np.bool_]:
    """Says whether the nearest is clearly nearer than the second: squared distances of unit vectors are 2 - 2 cos."""
    return np.asarray(np.maximum(1 - best, 0) < ratio**2 * np.maximum(1 - second, 0))


def _distinct(
    pairs: npt.NDArray[np.int64], a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Drops pairs that repeat the two places of an earlier one: SIFT gives a point one keypoint per orientation."""
    places = np.round(np.hstack([a[pairs[:, 0]], b[pairs[:, 1]]]))
    _, first = np.unique(places, axis=0, return_index=True)
    return pairs[np.sort(first)]


def coverage(points: npt.NDArray[np.float64], width: int, height: int, cells: int = 5) -> float:
    """Returns the share of a cells x cells grid over the image that holds two points or more, in [0, 1]."""
    if len(points) == 0:
        return 0.0
    scaled = points / np.array([width, height], dtype=np.float64) * cells
    column, row = np.clip(scaled.astype(int), 0, cells - 1).T
    # One stray point does not cover a cell.
    return int((np.bincount(row * cells + column) >= 2).sum()) / cells**2
