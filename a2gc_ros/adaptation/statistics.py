"""Mean and covariance of a site's images, shrunk towards those that the model was made with.

What is adapted are *values*: a model's output before its last normalization, which the model made by centring and
whitening with its own statistics. Seen in them, those statistics are a mean of zero and a covariance that is a multiple
of the identity, so a shrunk estimate needs nothing but the site's values:

    m = n / (n + p) * mean,    Σ = (1 - w) τ I + w S,    w = n / (n + q D),    values' = (values - m) (Σ / σ)^(-1/2)

with S the site's covariance, τ the mean of its D variances, n the number of distinct images and σ = (1 - w) τ. It is
the estimator of Ledoit and Wolf (2004) with a weight that follows from n alone, because images of a walk are not the
independent samples from which theirs is derived. The power -1/2 is the symmetric one: cosines don't depend on which is
taken. Directions in which the site's images do not differ are left as they are; those in which they differ more than
the model expects are turned down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError

MEAN_PRIOR = 10
"""Images for which the model's own mean counts: p."""

COVARIANCE_PRIOR = 2
"""Images for each dimension for which the model's own covariance counts: q."""

FEWEST = 20
"""Distinct images below which there is nothing to learn."""

ALIKE = 0.25
"""Share of the squared length of the images' mean that counts as their spread at the least: of images that are all of
one view, their noise is not taken for places."""


@dataclass(frozen=True)
class SiteStatistics:
    """What is done to values, (values - mean) @ matrix, before they are normalized.

    Attributes:
        mean: float64 (D,).
        matrix: float64 (D, D), symmetric, its eigenvalues in (0, 1].
        images: Distinct images n that it was fitted on.
        mean_weight: Share of the site's mean in the mean, in [0, 1).
        covariance_weight: Share w of the site's covariance in the covariance, in [0, 1).
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]
    images: int
    mean_weight: float
    covariance_weight: float

    def describe(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Descriptors float32 (N, D), L2-normalized, of values (N, D)."""
        return normalized((values - self.mean) @ self.matrix)


def normalized(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Values (N, D) at unit length, float32."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-12), dtype=np.float32)


def fit(values: NDArray[np.floating]) -> SiteStatistics:
    """Fits a site's statistics.

    Args:
        values: (n, D), of distinct images.

    Raises:
        ConfigError: There are too few, or they are all alike.
    """
    n, dim = values.shape
    if n < FEWEST:
        raise ConfigError(
            f"{n} distinct images are too few to learn a site from, it takes {FEWEST}: give a longer drive through it."
        )
    values = values.astype(np.float64)
    mean = values.mean(axis=0)
    centered = values - mean
    level = float(np.square(centered).sum() / (n - 1) / dim)
    if not level > 0:
        raise ConfigError("The images are all the same to this model: give a drive through the site.")
    mean_weight, covariance_weight = n / (n + MEAN_PRIOR), n / (n + COVARIANCE_PRIOR * dim)
    own = (1 - covariance_weight) * level
    # Only n - 1 directions differ from the model's own covariance.
    _, deviations, directions = np.linalg.svd(centered / np.sqrt(n - 1), full_matrices=False)
    damping = np.sqrt(own / (own + covariance_weight * np.square(deviations)))
    matrix = np.eye(dim) + (directions.T * (damping - 1)) @ directions
    return SiteStatistics(mean_weight * mean, (matrix + matrix.T) / 2, n, mean_weight, covariance_weight)


def distinct(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Chooses images that differ from each other, so that a place where the robot stood still counts once.

    Two images differ when their squared distance is at least half of that of two unrelated ones, which is twice the
    mean squared distance from the mean. Where the mean is zero this is a cosine of a half.

    Args:
        values: (N, D), in the order of the images.

    Returns:
        Positions of those that differ from each one chosen before, ascending.
    """
    values = values.astype(np.float64)
    squares = np.square(values).sum(axis=1)
    offset = float(np.square(values.mean(axis=0)).sum())
    least = max(float(squares.mean()) - offset, ALIKE * offset)
    chosen: list[int] = []
    nearest = np.full(len(values), np.inf)
    for at in range(len(values)):
        if nearest[at] >= least:
            chosen.append(at)
            np.minimum(nearest, squares + squares[at] - 2 * values @ values[at], out=nearest)
    return np.array(chosen, dtype=np.int64)
