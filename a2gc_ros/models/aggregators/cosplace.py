"""The head of CosPlace (Berton et al., arXiv 2204.02287) and EigenPlaces (arXiv 2308.10832): GeM and a linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.models.aggregator import Aggregator
from a2gc_ros.models.pooling import generalized_mean, unit_rows
from a2gc_ros.models.precision import at_least_float32, full_precision


class CosPlace(Aggregator):
    """L2-normalized local features, pooled by GeM, mapped linearly and normalized again.

    Args:
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.
        descriptor_dim: Dimensions of the descriptor.
        power: Initial p of GeM, learnable.
    """

    def __init__(self, *, in_channels: int, token_channels: int, descriptor_dim: int = 512, power: float = 3.0) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        self.descriptor_dim = descriptor_dim
        self.p = nn.Parameter(torch.full((1,), power))
        self.linear = nn.Linear(self.in_channels, descriptor_dim)

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, D)."""
        with full_precision(features):
            local = functional.normalize(at_least_float32(features), dim=1)
        return unit_rows(self.linear(generalized_mean(local, self.p, mask=mask)))
