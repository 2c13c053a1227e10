"""What every aggregator is: it pools patch features and a global token into one descriptor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from a2gc_ros.errors import ModelError


@dataclass(frozen=True)
class DataStart:
    """How weights are set from data.

    Attributes:
        contrast: How many times the nearest cluster center outweighs the second nearest for an average feature.
        whitening: How far the scales of principal components in the heads are evened out: 0 not at all, 1 wholly.
        seed: Seed of the k-means start and of the choice of samples.
    """

    contrast: float = 100.0
    whitening: float = 0.0
    seed: int = 0


class Aggregator(nn.Module, ABC):
    """Base of the aggregators, of maps of C channels and tokens of T; a subclass sets `descriptor_dim`."""

    descriptor_dim: int

    def __init__(self, *, in_channels: int, token_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.token_channels = token_channels

    @abstractmethod
    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:
        """L2-normalized descriptors (B, D).

        Args:
            features: Feature map (B, C, H, W).
            token: Global token (B, T); aggregators that use none ignore it.
            mask: Boolean (B, H, W), true where a patch counts; every patch does if not given.
        """

    def check_grid(self, rows: int, columns: int) -> None:
        """Raises ModelError where feature maps of this size do not fit; most aggregators take any."""

    def bake(self, rows: int, columns: int) -> None:
        """Precomputes whatever depends on the grid alone; most aggregators have nothing of the kind."""

    def initialize_from(self, features: Tensor, tokens: Tensor, start: DataStart = DataStart()) -> None:  # noqa: ARG002
        """Sets the weights from features of a few hundred images, so that the untrained aggregator is a sensible one.

        Args:
            features: Feature maps (N, C, H, W).
            tokens: Their global tokens (N, T).
            start: How.

        Raises:
            ModelError: This aggregator has no such start, or there is too little data for it.
        """
        raise ModelError(f"{type(self).__name__} has no initialization from data; train it from its random start.")


def flat_mask(mask: Tensor | None) -> Tensor | None:
    """A mask over the grid (B, H, W) as one over tokens (B, H*W)."""
    return None if mask is None else mask.flatten(1).bool()
