"""Errors that neighboring features share.

A parked car that moved, a shadow, a blurred corner: features near each other err together, and a covariance that takes
them for independent is too small. The remedy is that of panel statistics (Liang and Zeger, Biometrika 1986): sum the
pulls on the estimate within clusters first, then square them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from a2gc_ros.loops.verification.sampson import Array

COLUMNS: Final = 6
"""Clusters across the views."""


def shared_errors(rays: Array, pulls: Array, inverse: Array) -> Array:
    """Returns the covariance of an estimate as the clusters' errors make it.

    Args:
        rays: Directions (x/z, y/z) by which features are neighbors, float64 (N, 2).
        pulls: Gradient of each feature's cost by the parameters, float64 (N, p).
        inverse: Inverse of the normal matrix, (p, p).
    """
    if len(rays) < 2:
        return np.zeros_like(inverse)
    low, high = rays.min(axis=0), rays.max(axis=0)
    size = max(float((high - low).max()) / COLUMNS, 1e-9)
    column, row = np.floor((rays - low) / size).astype(int).T
    cells = row * (COLUMNS + 1) + column
    sums = np.zeros(((COLUMNS + 1) ** 2, pulls.shape[1]))
    np.add.at(sums, cells, pulls)
    filled = len(np.unique(cells))
    # Few clusters underestimate: the usual correction.
    correction = filled / max(1, filled - 1)
    return correction * inverse @ (sums.T @ sums) @ inverse
