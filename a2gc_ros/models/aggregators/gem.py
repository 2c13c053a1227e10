"""GeM: generalized-mean pooling (Radenović et al., arXiv 1711.02512)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from a2gc_ros.models.aggregator import Aggregator, DataStart
from a2gc_ros.models.pooling import FLOOR, generalized_mean, unit_rows


class GeM(Aggregator):
    """The p-th root of the mean p-th power of each channel; the descriptor has as many dimensions as the map.

    Args:
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.
        power: Initial p, learnable: 1 is the average, infinity the maximum.
        floor: Features below this count as this, so that the power is defined.
    """

    def __init__(self, *, in_channels: int, token_channels: int, power: float = 3.0, floor: float = FLOOR) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        self.descriptor_dim = self.in_channels
        self.p = nn.Parameter(torch.full((1,), power))
        self.floor = floor

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, C)."""
        return unit_rows(generalized_mean(features, self.p, floor=self.floor, mask=mask))

    def initialize_from(self, features: Tensor, tokens: Tensor, start: DataStart = DataStart()) -> None:
        """Leaves GeM as it is: it has no head, and a projection after it is whitened apart."""
