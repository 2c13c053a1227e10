"""Pooling of a feature map over the image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from a2gc_ros.models.precision import at_least_float32, full_precision

FLOOR = 1e-6
"""Features below this count as this, so that every power is defined."""


def unit_rows(rows: Tensor) -> Tensor:
    """Rows (B, D), L2-normalized in full precision."""
    with full_precision(rows):
        return functional.normalize(at_least_float32(rows), dim=1)


def normalized_residuals(assigned: Tensor, local: Tensor, centers: Tensor) -> Tensor:
    """Sums of the residuals of local features to cluster centers, each L2-normalized, then all together.

    Args:
        assigned: What each cluster gets of each feature, (B, m, n).
        local: Local features (B, l, H, W) with n = H*W.
        centers: (m, l).

    Returns:
        (B, m*l), a cluster's l values side by side.
    """
    sums = assigned @ local.flatten(2).transpose(1, 2)
    residuals = sums - assigned.sum(dim=2, keepdim=True) * centers
    return functional.normalize(functional.normalize(residuals, dim=2).flatten(1), dim=1)


def generalized_mean(
    features: Tensor, power: float | Tensor, *, floor: float = FLOOR, mask: Tensor | None = None
) -> Tensor:
    """The p-th root of the mean p-th power of each channel (Radenović et al., arXiv 1711.02512).

    Args:
        features: Feature map (B, C, H, W).
        power: p: 1 is the average, infinity the maximum.
        floor: Features below this count as this.
        mask: Boolean (B, H, W), true where a cell counts; every cell does if not given.

    Returns:
        (B, C), at least float32.
    """
    with full_precision(features):
        powers = at_least_float32(features).clamp(min=floor).pow(power).flatten(2)
        if mask is None:
            mean = powers.mean(dim=2)
        else:
            kept = mask.flatten(1).to(powers.dtype)[:, None]
            mean = (powers * kept).sum(dim=2) / kept.sum(dim=2).clamp(min=1)
        return mean.pow(1 / power)
