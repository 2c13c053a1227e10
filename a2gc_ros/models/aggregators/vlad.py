"""VLAD (Jégou et al., CVPR 2010) set from data, its assignment A²GC's asymmetric transport or a softmax.

Local features are reduced and half whitened, every cluster sums the residuals to its center of the features that it is
given, each sum is L2-normalized (Delhumeau et al., 2013), and all of them together are whitened.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregator import Aggregator, DataStart, flat_mask
from a2gc_ros.models.aggregators import from_data
from a2gc_ros.models.aggregators.optimal_transport import balanced_asymmetric_transport
from a2gc_ros.models.aggregators.whitening import Whitening
from a2gc_ros.models.pooling import normalized_residuals
from a2gc_ros.models.precision import at_least_float32, full_precision

IMAGES_AT_ONCE = 64


def transport(scores: Tensor, mask: Tensor | None) -> Tensor:
    """A²GC's transport without a dustbin: every cluster gets about the same mass of each image."""
    return balanced_asymmetric_transport(scores, mask=mask).exp()


def softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Every feature shares itself out among the clusters, whatever the others do."""
    shares = scores.softmax(dim=1)
    return shares if mask is None else shares * mask[:, None].to(shares.dtype)


ASSIGNMENTS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"transport": transport, "softmax": softmax}


class VLAD(Aggregator):
    """Residuals of local features to cluster centers, whitened.

    Args:
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.
        clusters: Number m of clusters.
        cluster_dim: Dimensions l of a reduced local feature.
        descriptor_dim: Dimensions D of the whitened descriptor, at most clusters * cluster_dim.
        assignment: Key of `ASSIGNMENTS`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        token_channels: int,
        clusters: int = 32,
        cluster_dim: int = 64,
        descriptor_dim: int = 2048,
        assignment: str = "transport",
    ) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        if assignment not in ASSIGNMENTS:
            raise ModelError(f"There is no assignment {assignment!r}; choose one of {', '.join(ASSIGNMENTS)}.")
        self.clusters = clusters
        self.descriptor_dim = descriptor_dim
        self._assign = ASSIGNMENTS[assignment]
        self.local = nn.Conv2d(self.in_channels, cluster_dim, 1)
        self.score = nn.Conv2d(cluster_dim, clusters, 1)
        self.centres = nn.Parameter(torch.randn(clusters, cluster_dim))
        self.whitening = Whitening(clusters * cluster_dim, descriptor_dim)

    def assignment(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """What each cluster gets of each feature, (B, m, H*W), of a feature map (B, C, H, W)."""
        return self._assigned(self.local(features), mask)

    def pool(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """The normalized residuals of all clusters before whitening, (B, m*l), a cluster's l values side by side."""
        local = at_least_float32(self.local(features))
        with full_precision(local):
            return normalized_residuals(self._assigned(local, mask), local, self.centres)

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, D)."""
        pooled = self.pool(features, mask)
        with full_precision(pooled):
            return functional.normalize(self.whitening(pooled), dim=1)

    @torch.no_grad()
    def initialize_from(self, features: Tensor, tokens: Tensor, start: DataStart = DataStart()) -> None:  # noqa: ARG002
        """Sets everything from the data; tokens play no part.

        Raises:
            ModelError: There are fewer samples than components.
        """
        samples = from_data.sample_cells(features, seed=start.seed)
        weight, bias = from_data.principal_components(samples, self.centres.shape[1], whitening=start.whitening)
        from_data.set_layer(self.local, weight, bias)
        reduced = samples @ weight.T + bias
        self.centres.copy_(from_data.kmeans(reduced, self.clusters, seed=start.seed))
        from_data.set_layer(self.score, *from_data.soft_scores(reduced, self.centres, contrast=start.contrast))
        self.whitening.fit(torch.cat([self.pool(part.float()) for part in features.split(IMAGES_AT_ONCE)]))

    def _assigned(self, local: Tensor, mask: Tensor | None) -> Tensor:
        return self._assign(at_least_float32(self.score(local).flatten(2)), flat_mask(mask))
