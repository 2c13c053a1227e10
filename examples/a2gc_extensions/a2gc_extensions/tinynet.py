"""A backbone: three convolutions, each of which halves the image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from a2gc_ros.errors import ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models import Backbone, Features

CHANNELS = (16, 32, 64)


class TinyNet(Backbone):
    """Three convolutions of stride 2; the token is the average of the map.

    Args:
        width: Factor of the number of channels.
    """

    preprocessing = Preprocessing(height=120, width=160)

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        channels = [3, *(width * count for count in CHANNELS)]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.ReLU())
            for inside, outside in pairwise(channels)
        )
        self.out_channels = self.token_channels = channels[-1]
        self.stride = 8

    def forward(self, images: Tensor) -> Features:
        """Features of normalized images (B, 3, H, W)."""
        for stage in self.stages:
            images = stage(images)
        return Features(images, images.mean(dim=(2, 3)))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map: every halving rounds up."""
        if min(height, width) < self.stride:
            raise ModelError(f"TinyNet takes images of {self.stride} pixels a side or more, not {height}x{width}.")
        return -(-height // self.stride), -(-width // self.stride)

    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """Every convolution."""
        return [[stage] for stage in self.stages]
