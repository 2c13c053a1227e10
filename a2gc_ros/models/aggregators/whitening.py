"""PCA-whitening as a layer that keeps what is needed to fit it again on other images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregators.from_data import principal_axes

SHRINKAGE = 0.1
"""Share of the mean variance that is added to the variance of every component."""

LEAST_SAMPLES = 32
"""A few hundred are sensible. Directions that no sample shows have the variance that is added to all."""


class Whitening(nn.Module):
    """(x - mean) @ projection, where the columns of the projection are principal components over their deviation.

    A component of variance v is divided by √(v + s), s being `SHRINKAGE` times the mean variance: the smallest ones
    hold more rounding error than picture, and dividing by their own deviation alone would make it loud.

    Args:
        inputs: Dimensions K of what is whitened.
        outputs: Components D that are kept, at most K.

    Attributes:
        mean: (K,).
        projection: (K, D).
        samples: Vectors that it was fitted on; 0 before.
        added: s, the variance added to every component.
        rest: Mean variance of the K - D components that were dropped; 0 where none was.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        if outputs > inputs:
            raise ModelError(f"A whitening of {inputs} dimensions has no {outputs} components: ask for fewer.")
        self.mean = nn.Parameter(torch.zeros(inputs))
        self.projection = nn.Parameter(nn.init.orthogonal_(torch.empty(inputs, outputs)))
        for name in ("samples", "added", "rest"):
            self.register_buffer(name, torch.zeros(()))
        self.samples: Tensor
        self.added: Tensor
        self.rest: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (N, K) to (N, D)."""
        return (x - self.mean) @ self.projection

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> None:
        """Sets mean and projection from vectors (N, K).

        Raises:
            ModelError: There are fewer than `LEAST_SAMPLES`.
        """
        outputs = self.projection.shape[1]
        if len(vectors) < LEAST_SAMPLES:
            raise ModelError(
                f"A whitening needs {LEAST_SAMPLES} images and views of them at the least and got {len(vectors)}: "
                "give more."
            )
        mean, variances, directions = principal_axes(vectors)
        variances = variances.clamp(min=0)
        added = (SHRINKAGE * variances.mean()).clamp(min=1e-12)
        self.mean.copy_(mean)
        self.projection.copy_(directions[:, :outputs] * (variances[:outputs] + added).rsqrt())
        self.samples.fill_(len(vectors))
        self.added.copy_(added)
        self.rest.copy_(variances[outputs:].mean() if outputs < len(variances) else torch.zeros(()))
