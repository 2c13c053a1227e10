"""Paths of sessions whose frames are not the same, laid side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

MARGIN: Final = 0.15
"""Between sessions side by side, as a share of the widest."""


def side_by_side(paths: Sequence[npt.NDArray[np.float64]]) -> list[npt.NDArray[np.float64]]:
    """Shifts paths along x so that their boxes do not meet; the first stays where it is.

    Args:
        paths: float64 (N, 2) each, metres; rows without a place are NaN.
    """
    known = [path[np.isfinite(path).all(axis=1)] for path in paths]
    gap = MARGIN * max((float(np.ptp(path[:, 0])) for path in known if len(path)), default=0.0) + 1.0
    placed: list[npt.NDArray[np.float64]] = []
    edge: float | None = None
    for path, points in zip(paths, known, strict=True):
        if len(points):
            shift = 0.0 if edge is None else edge + gap - float(points[:, 0].min())
            edge = float(points[:, 0].max()) + shift
            path = path + np.array([shift, 0.0])
        placed.append(path)
    return placed
