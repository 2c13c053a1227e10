"""OpenCV's robust estimators of two-view geometry: MAGSAC (Barath, Matas, Noskova, CVPR 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]

PIXEL_TOLERANCE: Final = 1.5
"""Distance of an inlier from its epipolar line, pixels of the image that the features were found in."""

CONFIDENCE: Final = 0.9999
MAX_ITERATIONS: Final = 5000
MIN_ITERATIONS: Final = 50
MAX_ESSENTIAL_ITERATIONS: Final = 1000
"""An essential matrix takes fewer matches a sample, and its samples take longer."""

NOISY: Final = 3.0
"""Samples of exact matches would do; of noisy ones so many times as many."""


@dataclass(frozen=True)
class Fit:
    """A two-view geometry that a robust estimator found.

    Attributes:
        matrix: float64 (3, 3), fundamental (of pixels) or essential (of directions): ``b^T matrix a = 0``.
        inliers: bool (N,), the matches that agree.
    """

    matrix: npt.NDArray[np.float64]
    inliers: npt.NDArray[np.bool_]


def fundamental(a: Points, b: Points, least_share: float) -> Fit | None:
    """Fits a fundamental matrix to matched pixels, (N, 2) each, of which at least a share agrees if it is of use."""
    samples = _samples(7, least_share, MAX_ITERATIONS)
    return _single(fitted(cv2.findFundamentalMat, a, b, cv2.USAC_MAGSAC, PIXEL_TOLERANCE, CONFIDENCE, samples))


def essential(rays_a: Points, rays_b: Points, tolerance: float, least_share: float) -> Fit | None:
    """Fits an essential matrix to matched directions (x/z, y/z), (N, 2) each, of which at least a share must agree.

    ``tolerance`` is the distance of an inlier from its epipolar line, in units of directions.
    """
    samples = _samples(5, least_share, MAX_ESSENTIAL_ITERATIONS)
    options = {"method": cv2.USAC_MAGSAC, "prob": CONFIDENCE, "threshold": tolerance, "maxIters": samples}
    return _single(fitted(cv2.findEssentialMat, rays_a, rays_b, np.eye(3), **options))


def _samples(size: int, share: float, most: int) -> int:
    """Returns how many samples of so many matches find a geometry where a share agrees (Fischler and Bolles, 1981).

    The estimator itself stops as soon as it has found a larger one; pairs that show two places draw all these.
    """
    failing = 1 - min(share, 0.99) ** size
    wanted = NOISY * math.log(1 - CONFIDENCE) / math.log(failing) if failing < 1 else most
    return int(min(max(wanted, MIN_ITERATIONS), most))


def _single(fit: Fit | None) -> Fit | None:
    """Returns a fit of one matrix; None where nothing fits, or several do alike."""
    return fit if fit is not None and fit.matrix.shape == (3, 3) else None


def homography_share(a: Points, b: Points) -> float:
    """Returns the share of matched pixels, (N, 2) each, that one homography explains."""
    options = {"maxIters": MAX_ITERATIONS, "confidence": CONFIDENCE}
    fit = fitted(cv2.findHomography, a, b, cv2.USAC_MAGSAC, PIXEL_TOLERANCE, **options)
    return 0.0 if fit is None else float(fit.inliers.mean())


def fitted(estimator: Callable[..., Any], *arguments: Any, **options: Any) -> Fit | None:
    """Calls an estimator; None where nothing fits."""
    try:
        model, mask = estimator(*arguments, **options)
    except cv2.error:
        # Some versions fail an internal assertion, instead of returning nothing, when no sample gives a model.
        return None
    if model is None or mask is None:
        return None
    return Fit(np.asarray(model), np.asarray(mask).ravel().astype(bool))
