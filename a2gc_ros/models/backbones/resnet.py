"""ResNet-18, -50, -101 and -152 (He et al., arXiv 1512.03385), cut after a chosen stage.

Parameter names are torchvision's. Bottlenecks stride in their 3x3 convolution, as torchvision's do.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbone import Backbone, Features, start_at_random

STAGE_WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Feature map in, feature map out."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, around a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Feature map in, feature map out."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(self.bn3(self.conv3(x)) + shortcut)


VARIANTS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(Backbone):
    """A ResNet as a backbone; its token is the average of its map.

    Args:
        variant: One of `VARIANTS`.
        last_stage: The last stage kept, 1 to 4; place recognition usually cuts the fourth off.
    """

    def __init__(self, *, variant: str = "resnet50", last_stage: int = 3) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ModelError(f"There is no ResNet named {variant!r}; choose one of {', '.join(VARIANTS)}.")
        if not 1 <= last_stage <= len(STAGE_WIDTHS):
            raise ModelError(f"A ResNet has the stages 1 to 4, so last_stage={last_stage} names none of them.")
        block, depths = VARIANTS[variant]
        self.last_stage = last_stage
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage in range(1, last_stage + 1):
            width, depth = STAGE_WIDTHS[stage - 1], depths[stage - 1]
            blocks = []
            for index in range(depth):
                blocks.append(block(channels, width, stride=2 if index == 0 and stage > 1 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.out_channels = self.token_channels = channels
        self.stride = 4 * 2 ** (last_stage - 1)
        start_at_random(self)

    def forward(self, images: Tensor) -> Features:
        """Features of normalized images (B, 3, H, W)."""
        x = functional.relu(self.bn1(self.conv1(images)))
        x = functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for stage in self._stages():
            x = stage(x)
        return Features(x, x.mean(dim=(2, 3)))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map: every halving rounds up."""
        return -(-height // self.stride), -(-width // self.stride)

    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """The stem, then every residual block."""
        stem: list[nn.Module] = [self.conv1, self.bn1]
        return [stem, *([block] for stage in self._stages() for block in stage)]

    def _stages(self) -> list[nn.Sequential]:
        return [getattr(self, f"layer{stage}") for stage in range(1, self.last_stage + 1)]


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
