"""An aggregator: the maximum of each channel (MAC; Tolias et al., arXiv 1511.05879)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from a2gc_ros.models.aggregator import Aggregator


class MAC(Aggregator):
    """The largest activation of each channel; the descriptor has as many dimensions as the map."""

    def __init__(self, *, in_channels: int, token_channels: int) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        self.descriptor_dim = in_channels

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, C)."""
        if mask is not None:
            features = features.masked_fill(~mask[:, None], float("-inf"))
        return functional.normalize(features.amax(dim=(2, 3)).float(), dim=1)
