"""Linear reduction of descriptors before quantizing them.

The leading principal directions of a sample, found by a randomized range finder with power iterations (Halko,
Martinsson, Tropp 2011, algorithm 4.4), then turned by a random rotation so that the variance is spread evenly over
the dimensions, as a one-bit quantizer wants it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

OVERSAMPLING = 32
POWER_ITERATIONS = 1
SAMPLE_ROWS = 4096


@dataclass(frozen=True)
class Projection:
    """``y = matrix @ (x - mean)``.

    Attributes:
        mean: float32, shape (D,).
        matrix: float32, shape (reduced, D), orthonormal rows.
    """

    mean: npt.NDArray[np.float32]
    matrix: npt.NDArray[np.float32]

    @property
    def reduced_dim(self) -> int:
        """Length after the projection."""
        return int(self.matrix.shape[0])

    def apply(self, descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Projects rows of shape (N, D) to (N, reduced)."""
        return (descriptors - self.mean) @ self.matrix.T

    def coarse(self, descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Projects rows of shape (N, D), and gives what is left unit length, (N, reduced).

        What the projection drops of two views of one place is as alike as what it keeps: with their own lengths, rows
        of which it keeps more would be preferred to those of which it keeps less.
        """
        projected = self.apply(descriptors)
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return np.asarray(projected / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)


def fit(sample: npt.NDArray[np.float32], reduced_dim: int, seed: int = 0) -> Projection:
    """Fits a projection.

    Args:
        sample: Descriptors, float32, shape (N, D).
        reduced_dim: Dimensions to keep; fewer are kept when the sample has not as many.
        seed: Fixes every draw.
    """
    rng = np.random.default_rng(seed)
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    centered = sample - mean
    reduced_dim = min(reduced_dim, *sample.shape)
    width = min(reduced_dim + OVERSAMPLING, *sample.shape)
    basis = np.linalg.qr(centered.T @ rng.standard_normal((len(sample), width), dtype=np.float32))[0]
    for _ in range(POWER_ITERATIONS):
        basis = np.linalg.qr(centered.T @ (centered @ basis))[0]
    covariance = np.cov(centered @ basis, rowvar=False, dtype=np.float64).reshape(width, width)
    directions = np.linalg.eigh(covariance)[1][:, ::-1][:, :reduced_dim]
    rotation = np.linalg.qr(rng.standard_normal((reduced_dim, reduced_dim)))[0]
    matrix = rotation @ (basis @ directions).T
    return Projection(mean, np.ascontiguousarray(matrix, dtype=np.float32))
