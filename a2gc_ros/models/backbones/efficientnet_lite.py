"""EfficientNet-Lite0: EfficientNet (Tan and Le, arXiv 1905.11946) without squeeze-and-excitation, with ReLU6.

`convs.48` gives the 1280 channels, `convs.49` is the 1000-way ImageNet classifier. Images are RGB bytes, less 127,
divided by 128.
"""

from __future__ import annotations

from a2gc_ros.models.backbones.inverted_residuals import InvertedResiduals, StageSpec, layers_of

STAGES = (
    StageSpec(expansion=1, channels=16, blocks=1, stride=1),
    StageSpec(expansion=6, channels=24, blocks=2, stride=2),
    StageSpec(expansion=6, channels=40, blocks=2, stride=2, kernel=5),
    StageSpec(expansion=6, channels=80, blocks=3, stride=2),
    StageSpec(expansion=6, channels=112, blocks=3, stride=1, kernel=5),
    StageSpec(expansion=6, channels=192, blocks=4, stride=2, kernel=5),
    StageSpec(expansion=6, channels=320, blocks=1, stride=1),
)

STRIDE_16 = 32
"""112 channels, the last block at 16 pixels per cell."""
STRIDE_32_EXPANDED = 48
"""1280 channels, the map ImageNet's classifier pools."""


class EfficientNetLite(InvertedResiduals):
    """EfficientNet-Lite0 up to the convolution a tap names."""

    LAYERS = layers_of(STAGES)
    TAP = STRIDE_16
