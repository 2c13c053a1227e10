"""Networks of inverted residuals (Sandler et al., arXiv 1801.04381), batch norms folded into the convolutions.

MobileNetV2 and EfficientNet-Lite are two tables of the same blocks. The convolutions are numbered in network order:
`convs.0` is the stem, the last one before the classifier widens the map. The weights come from TensorFlow, so padding
is its "SAME": a stride-2 convolution on an even side pads more on the right and at the bottom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbone import Backbone, Features, start_at_random
from a2gc_ros.models.pooling import generalized_mean

STEM_CHANNELS = 32
LAST_CHANNELS = 1280


@dataclass(frozen=True)
class StageSpec:
    """Blocks in a row that give the same number of channels.

    Attributes:
        expansion: How many times as wide a block is inside.
        channels: Channels that its blocks give.
        blocks: Number of blocks.
        stride: Of the first block; the others keep the size.
        kernel: Side of the depthwise convolutions.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True)
class Layer:
    """One convolution of the network; the caller pads."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    depthwise: bool
    activated: bool
    block: int
    opens_residual: bool = False
    closes_residual: bool = False

    def convolution(self) -> nn.Conv2d:
        """The convolution itself."""
        groups = self.inputs if self.depthwise else 1
        return nn.Conv2d(self.inputs, self.outputs, self.kernel, self.stride, groups=groups)


def layers_of(stages: Sequence[StageSpec]) -> list[Layer]:
    """The convolutions before the classifier, in network order."""
    layers = [Layer(3, STEM_CHANNELS, 3, 2, depthwise=False, activated=True, block=0)]
    inputs, block = STEM_CHANNELS, 0
    for stage in stages:
        for repeat in range(stage.blocks):
            block += 1
            stride = stage.stride if repeat == 0 else 1
            residual = stride == 1 and inputs == stage.channels
            hidden = inputs * stage.expansion
            if stage.expansion > 1:
                layers.append(Layer(inputs, hidden, 1, 1, False, True, block, opens_residual=residual))
            layers.append(Layer(hidden, hidden, stage.kernel, stride, True, True, block))
            layers.append(Layer(hidden, stage.channels, 1, 1, False, False, block, closes_residual=residual))
            inputs = stage.channels
    layers.append(Layer(inputs, LAST_CHANNELS, 1, 1, depthwise=False, activated=True, block=block + 1))
    return layers


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding of one axis: zeros before and after, the odd one after."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class InvertedResiduals(Backbone):
    """A network up to the convolution a tap names; later convolutions do not exist.

    A subclass gives the table `LAYERS` and the `TAP` that it has by default.

    Args:
        tap: Number of the convolution whose (activated, residual-added) output is the map; `TAP` if not given.
        token_tap: Number of the convolution whose output, pooled over the image, is the token; `tap` if not given.
        token_power: Power of the generalized mean that pools the token; 1 is the average.
    """

    LAYERS: ClassVar[Sequence[Layer]]
    TAP: ClassVar[int]

    def __init__(self, *, tap: int | None = None, token_tap: int | None = None, token_power: float = 1.0) -> None:
        super().__init__()
        tap = self.TAP if tap is None else tap
        name, last = type(self).__name__, len(self.LAYERS) - 1
        token_tap = tap if token_tap is None else token_tap
        for option, value in (("tap", tap), ("token_tap", token_tap)):
            if not 0 <= value <= last:
                raise ModelError(f"{name} has the convolutions 0 to {last}, so {option}={value} names none of them.")
        if token_power <= 0:
            raise ModelError(f"token_power is {token_power}; a generalized mean needs a power above 0 (1 averages).")
        self.tap = tap
        self.token_tap = token_tap
        self.token_power = token_power
        self.layers = self.LAYERS[: max(tap, token_tap) + 1]
        self.convs = nn.ModuleList([layer.convolution() for layer in self.layers])
        self.out_channels = self.LAYERS[tap].outputs
        self.token_channels = self.LAYERS[token_tap].outputs
        self.stride = math.prod(layer.stride for layer in self.LAYERS[: tap + 1])
        start_at_random(self)

    def forward(self, images: Tensor) -> Features:
        """Features of normalized images (B, 3, H, W)."""
        maps = self._run(images, {self.tap, self.token_tap})
        return Features(maps[self.tap], self._token(maps[self.token_tap]))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map: "SAME" padding rounds up."""
        return -(-height // self.stride), -(-width // self.stride)

    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """The stem, the inverted residual blocks and the last 1x1 convolution, as far as they exist."""
        units: list[list[nn.Module]] = [[] for _ in range(self.layers[-1].block + 1)]
        for layer, conv in zip(self.layers, self.convs, strict=True):
            units[layer.block].append(conv)
        return units

    def _token(self, features: Tensor) -> Tensor:
        if self.token_power == 1:
            return features.mean(dim=(2, 3))
        return generalized_mean(features, self.token_power)

    def _run(self, x: Tensor, wanted: set[int]) -> dict[int, Tensor]:
        maps: dict[int, Tensor] = {}
        shortcut = x
        for index, layer in enumerate(self.layers):
            if layer.opens_residual:
                shortcut = x
            if layer.kernel > 1:
                vertical, horizontal = (same_padding(side, layer.kernel, layer.stride) for side in x.shape[-2:])
                x = functional.pad(x, (*horizontal, *vertical))
            x = self.convs[index](x)
            if layer.activated:
                x = functional.relu6(x)
            if layer.closes_residual:
                x = x + shortcut
            if index in wanted:
                maps[index] = x
        return maps
