"""The part A²GC and SALAD share: heads, a transport plan, and the pooling of local features by that plan."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregator import Aggregator, DataStart, flat_mask
from a2gc_ros.models.aggregators import from_data
from a2gc_ros.models.aggregators.optimal_transport import SWEEPS, with_dustbin
from a2gc_ros.models.precision import at_least_float32, full_precision


class ClusterTransport(Aggregator):
    """Assigns patch features to clusters by transport and sums their projections cluster by cluster.

    Args:
        clusters: Number m of clusters.
        cluster_dim: Dimension l of a projected local feature.
        token_dim: Dimension g of the projected token; 0 leaves the token out.
        hidden: Width of the one hidden layer of each head, or None for linear heads.
        dropout: Dropout in the two convolutional heads while training.
        sweeps: Sweeps of the solver. Published weights belong to three; more are not better.
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.

    The descriptor has clusters * cluster_dim + token_dim dimensions: the token first, then the clusters with the
    local dimension outermost.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        token_channels: int,
        clusters: int = 64,
        cluster_dim: int = 128,
        token_dim: int = 256,
        hidden: int | None = 512,
        dropout: float = 0.3,
        sweeps: int = SWEEPS,
    ) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        if sweeps < 0:
            raise ModelError(f"The transport cannot take {sweeps} sweeps; use 3, as published, or another count.")
        self.sweeps = sweeps
        self.clusters = clusters
        self.cluster_dim = cluster_dim
        self.token_dim = token_dim
        self.descriptor_dim = clusters * cluster_dim + token_dim
        if token_dim:
            self.token_features = _token_head(self.token_channels, hidden, token_dim)
        self.cluster_features = _patch_head(self.in_channels, hidden, cluster_dim, dropout)
        self.score = _patch_head(self.in_channels, hidden, clusters, dropout)
        self.dust_bin = nn.Parameter(torch.tensor(1.0))

    @abstractmethod
    def log_plan(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        """Log transport plan (B, m+1, n) of scores (B, m+1, n), the dustbin last; mask (B, n)."""

    def scores(self, features: Tensor) -> Tensor:
        """Affinity (B, m, n) of every token to every cluster."""
        return self.score(features).flatten(2)

    def assignment(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """The transport plan (B, m+1, n) of a feature map (B, C, H, W), the dustbin last."""
        scores = at_least_float32(self.scores(features))
        return self.log_plan(with_dustbin(scores, self.dust_bin), flat_mask(mask)).exp()

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:
        """L2-normalized descriptors (B, m*l + g)."""
        plan = self.assignment(features, mask)[:, :-1]
        local = at_least_float32(self.cluster_features(features).flatten(2))
        with full_precision(features):
            pooled = torch.matmul(local, plan.to(local.dtype).transpose(1, 2))
            parts = [functional.normalize(pooled, dim=1).flatten(1)]
        if self.token_dim:
            parts.insert(0, functional.normalize(at_least_float32(self.token_features(token)), dim=1))
        return functional.normalize(torch.cat(parts, dim=1), dim=1)

    @torch.no_grad()
    def initialize_from(self, features: Tensor, tokens: Tensor, start: DataStart = DataStart()) -> None:
        """Makes the untrained aggregator a soft VLAD of the data.

        Local features and tokens are projected on their principal components; scores are those of a soft
        assignment to k-means centers; the dustbin lies where the best cluster of an average token lies. Heads with a
        hidden layer of at least twice their outputs represent the same linear maps exactly.

        Raises:
            ModelError: There are fewer samples than components, or a hidden layer is too narrow.
        """
        samples = from_data.sample_cells(features, seed=start.seed)
        weight, bias = from_data.principal_components(samples, self.cluster_dim, whitening=start.whitening)
        _set_linear(self.cluster_features, weight, bias)
        centers = from_data.kmeans(samples, self.clusters, seed=start.seed)
        weight, bias = from_data.soft_scores(samples, centers, contrast=start.contrast)
        best = (samples @ weight.T + bias).amax(dim=1).mean()
        _set_linear(self.score, weight, bias + (self.dust_bin.to(best) - best))
        if self.token_dim:
            weight, bias = from_data.principal_components(tokens.float(), self.token_dim, whitening=start.whitening)
            _set_linear(self.token_features, weight, bias)


def _patch_head(inputs: int, hidden: int | None, outputs: int, dropout: float) -> nn.Sequential:
    if hidden is None:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1))
    return nn.Sequential(nn.Conv2d(inputs, hidden, 1), nn.Dropout(dropout), nn.ReLU(), nn.Conv2d(hidden, outputs, 1))


def _token_head(inputs: int, hidden: int | None, outputs: int) -> nn.Sequential:
    if hidden is None:
        return nn.Sequential(nn.Linear(inputs, outputs))
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _set_linear(head: nn.Sequential, weight: Tensor, bias: Tensor) -> None:
    """Makes a head compute weight @ x + bias, through its hidden layer if it has one."""
    layers = [layer for layer in head if isinstance(layer, (nn.Linear, nn.Conv2d))]
    values = from_data.as_layers(weight, bias, [layer.weight.shape[0] for layer in layers])
    for layer, value in zip(layers, values, strict=True):
        from_data.set_layer(layer, *value)
