"""VGG-16 (Simonyan and Zisserman, arXiv 1409.1556), cut after its last convolution.

Parameter names are torchvision's, of its `features`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbone import Backbone, Features, start_at_random

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width and number of the convolutions of each stage; a max-pool lies between two stages."""


class Vgg16(Backbone):
    """VGG-16 without its last ReLU and pooling, so its map may be negative; its token is the average of its map."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, depth in STAGES:
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-2])
        self.out_channels = self.token_channels = channels
        self.stride = 2 ** (len(STAGES) - 1)
        start_at_random(self)

    def forward(self, images: Tensor) -> Features:
        """Features of normalized images (B, 3, H, W)."""
        x = self.features(images)
        return Features(x, functional.adaptive_avg_pool2d(x, 1).flatten(1))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map: every halving rounds down."""
        if min(height, width) < self.stride:
            raise ModelError(f"VGG-16 takes images of {self.stride} pixels a side or more, not {height}x{width}.")
        return height // self.stride, width // self.stride

    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """Every convolution."""
        return [[layer] for layer in self.features if isinstance(layer, nn.Conv2d)]
