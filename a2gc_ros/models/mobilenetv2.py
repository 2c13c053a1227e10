"""MobileNetV2 1.0 (Sandler et al., arXiv 1801.04381) with its batch norms folded into the convolutions.

The convolutions are numbered in network order, `convs.0` to `convs.52`, as in the folded weights: `convs.0` is the
stem, `convs.51` gives the 1280 channels, `convs.52` is the 1001-way ImageNet classifier. The weights come from
TensorFlow, so padding is its "SAME": a stride-2 convolution on an even side pads only right and bottom.
Images are RGB scaled to [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbone import Backbone, Features
from a2gc_ros.models.pooling import generalised_mean

STAGES = (
    # expansion, channels, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
CLASSES = 1001

STRIDE_8 = 17
"""32 channels, the last block at 8 pixels per cell."""
STRIDE_16 = 38
"""96 channels, the last block at 16 pixels per cell."""
STRIDE_16_EXPANDED = 39
"""576 channels, the widened map at 16 pixels per cell just before the last reduction."""
STRIDE_32 = 50
"""320 channels, the last block at 32 pixels per cell."""
STRIDE_32_EXPANDED = 51
"""1280 channels, the map ImageNet's classifier pools."""


@dataclass(frozen=True)
class Layer:
    """One convolution of the network."""

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
        """The convolution itself; padding is done by the caller."""
        return nn.Conv2d(
            self.inputs, self.outputs, self.kernel, self.stride, groups=self.inputs if self.depthwise else 1
        )


def network() -> list[Layer]:
    """The 52 convolutions before the classifier, in network order."""
    layers = [Layer(3, STEM_CHANNELS, 3, 2, depthwise=False, activated=True, block=0)]
    inputs, block = STEM_CHANNELS, 0
    for expansion, outputs, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            block += 1
            stride = first_stride if repeat == 0 else 1
            residual = stride == 1 and inputs == outputs
            hidden = inputs * expansion
            if expansion > 1:
                layers.append(Layer(inputs, hidden, 1, 1, False, True, block, opens_residual=residual))
            layers.append(Layer(hidden, hidden, 3, stride, True, True, block))
            layers.append(Layer(hidden, outputs, 1, 1, False, False, block, closes_residual=residual))
            inputs = outputs
    layers.append(Layer(inputs, LAST_CHANNELS, 1, 1, depthwise=False, activated=True, block=block + 1))
    return layers


LAYERS = network()


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding of one axis: zeros before and after, the odd one after."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class MobileNetV2(Backbone):
    """MobileNetV2 up to the convolution a tap names; later convolutions do not exist.

    Args:
        tap: Number of the convolution whose (activated, residual-added) output is the map, such as `STRIDE_16`.
        token_tap: Number of the convolution whose output, pooled over the image, is the token; `tap` if not given.
        token_power: Power of the generalised mean that pools the token; 1 is the average.
        classifier: Keep the whole network and its ImageNet classifier, for `classify`.
    """

    def __init__(
        self,
        *,
        tap: int = STRIDE_16,
        token_tap: int | None = None,
        token_power: float = 1.0,
        classifier: bool = False,
    ) -> None:
        super().__init__()
        token_tap = tap if token_tap is None else token_tap
        for name, value in (("tap", tap), ("token_tap", token_tap)):
            if not 0 <= value < len(LAYERS):
                raise ModelError(
                    f"MobileNetV2 has the convolutions 0 to {len(LAYERS) - 1}, so {name}={value} names none of them."
                )
        if token_power <= 0:
            raise ModelError(f"token_power is {token_power}; a generalised mean needs a power above 0 (1 averages).")
        self.tap = tap
        self.token_tap = token_tap
        self.token_power = token_power
        self.classifier = classifier
        self.layers = LAYERS if classifier else LAYERS[: max(tap, token_tap) + 1]
        self.convs = nn.ModuleList([layer.convolution() for layer in self.layers])
        if classifier:
            self.convs.append(nn.Conv2d(LAST_CHANNELS, CLASSES, 1))
        self.out_channels = LAYERS[tap].outputs
        self.token_channels = LAYERS[token_tap].outputs
        self.stride = 1
        for layer in LAYERS[: tap + 1]:
            self.stride *= layer.stride
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, images: Tensor) -> Features:
        """Features of images scaled to [-1, 1], (B, 3, H, W)."""
        maps = self._run(images, {self.tap, self.token_tap})
        return Features(maps[self.tap], self._token(maps[self.token_tap]))

    def classify(self, images: Tensor) -> Tensor:
        """ImageNet logits (B, 1001), class 0 being the background.

        Raises:
            ModelError: The model was built without its classifier.
        """
        if not self.classifier:
            raise ModelError("This MobileNetV2 was built without its classifier; build it with classifier=True.")
        last = self._run(images, {len(LAYERS) - 1})[len(LAYERS) - 1]
        return self.convs[-1](last.mean(dim=(2, 3), keepdim=True)).flatten(1)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map: "SAME" padding rounds up."""
        return -(-height // self.stride), -(-width // self.stride)

    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """The stem, the inverted residual blocks and the last 1x1 convolution, as far as they exist."""
        units: list[list[nn.Module]] = [[] for _ in range(self.layers[-1].block + 1)]
        for layer, conv in zip(self.layers, self.convs[: len(self.layers)], strict=True):
            units[layer.block].append(conv)
        return units

    def _token(self, features: Tensor) -> Tensor:
        if self.token_power == 1:
            return features.mean(dim=(2, 3))
        return generalised_mean(features, self.token_power)

    def _run(self, x: Tensor, wanted: set[int]) -> dict[int, Tensor]:
        maps: dict[int, Tensor] = {}
        shortcut = x
        for index in range(max(wanted) + 1):
            layer = self.layers[index]
            if layer.opens_residual:
                shortcut = x
            if layer.kernel > 1:
                vertical = same_padding(x.shape[-2], layer.kernel, layer.stride)
                horizontal = same_padding(x.shape[-1], layer.kernel, layer.stride)
                x = functional.pad(x, (*horizontal, *vertical))
            x = self.convs[index](x)
            if layer.activated:
                x = functional.relu6(x)
            if layer.closes_residual:
                x = x + shortcut
            if index in wanted:
                maps[index] = x
        return maps
