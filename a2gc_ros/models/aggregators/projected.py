"""A linear layer after an aggregator: a smaller descriptor, learned or set by PCA-whitening."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from a2gc_ros.models.aggregator import Aggregator, DataStart
from a2gc_ros.models.aggregators import from_data
from a2gc_ros.models.pooling import unit_rows


class Projected(Aggregator):
    """An aggregator and a linear map of its descriptor, normalized again; MegaLoc's head is one of these."""

    def __init__(self, aggregator: Aggregator, descriptor_dim: int) -> None:
        super().__init__(in_channels=aggregator.in_channels, token_channels=aggregator.token_channels)
        self.agg = aggregator
        self.linear = nn.Linear(aggregator.descriptor_dim, descriptor_dim)
        self.descriptor_dim = descriptor_dim

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:
        """L2-normalized descriptors (B, D)."""
        return unit_rows(self.linear(self.agg(features, token, mask)))

    def check_grid(self, rows: int, columns: int) -> None:
        """What the aggregator inside takes."""
        self.agg.check_grid(rows, columns)

    def bake(self, rows: int, columns: int) -> None:
        """Bakes the aggregator inside."""
        self.agg.bake(rows, columns)

    def initialize_from(self, features: Tensor, tokens: Tensor, start: DataStart = DataStart()) -> None:
        """Starts the aggregator inside from the data; the projection is set apart, by `whiten`."""
        self.agg.initialize_from(features, tokens, start)

    @torch.no_grad()
    def whiten(self, descriptors: Tensor) -> None:
        """Sets the projection to the whitened principal components of descriptors (N, D) of the aggregator inside.

        Raises:
            ModelError: There are no more descriptors than the output has dimensions.
        """
        weight, bias = from_data.principal_components(descriptors, self.linear.out_features, whitening=1.0)
        from_data.set_layer(self.linear, weight, bias)
