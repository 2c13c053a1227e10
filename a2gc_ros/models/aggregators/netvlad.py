"""NetVLAD: soft-assigned residuals to learnable centers (Arandjelović et al., arXiv 1511.07247)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.models.aggregator import Aggregator, DataStart
from a2gc_ros.models.aggregators import from_data
from a2gc_ros.models.pooling import normalized_residuals
from a2gc_ros.models.precision import at_least_float32, full_precision


class NetVLAD(Aggregator):
    """NetVLAD over L2-normalized local features; the descriptor has clusters * in_channels dimensions.

    Args:
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.
        clusters: Number K of centers.
    """

    def __init__(self, *, in_channels: int, token_channels: int, clusters: int = 64) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        self.clusters = clusters
        self.descriptor_dim = clusters * self.in_channels
        self.conv = nn.Conv2d(self.in_channels, clusters, 1)
        self.centroids = nn.Parameter(torch.rand(clusters, self.in_channels))

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, K*C), each center's residual normalized first."""
        with full_precision(features):
            local = functional.normalize(at_least_float32(features), dim=1)
            assignment = self.conv(local).flatten(2).softmax(dim=1)
            if mask is not None:
                assignment = assignment * mask.flatten(1).to(assignment.dtype)[:, None]
            return normalized_residuals(assignment, local, self.centroids)

    @torch.no_grad()
    def initialize_from(self, features: Tensor, tokens: Tensor, start: DataStart = DataStart()) -> None:  # noqa: ARG002
        """Starts the centers at k-means centers of the data and the assignment at a soft one to them; no whitening."""
        samples = from_data.sample_cells(functional.normalize(features.float(), dim=1), seed=start.seed)
        self.centroids.copy_(from_data.kmeans(samples, self.clusters, seed=start.seed))
        from_data.set_layer(self.conv, *from_data.soft_scores(samples, self.centroids, contrast=start.contrast))
