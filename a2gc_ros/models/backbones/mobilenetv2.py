"""MobileNetV2 1.0 (Sandler et al., arXiv 1801.04381), as `inverted_residuals` describes it.

`convs.51` gives the 1280 channels, `convs.52` is the 1001-way ImageNet classifier, whose class 0 is the background.
Images are RGB scaled to [-1, 1].
"""

from __future__ import annotations

from a2gc_ros.models.backbones.inverted_residuals import InvertedResiduals, StageSpec, layers_of

STAGES = (
    StageSpec(expansion=1, channels=16, blocks=1, stride=1),
    StageSpec(expansion=6, channels=24, blocks=2, stride=2),
    StageSpec(expansion=6, channels=32, blocks=3, stride=2),
    StageSpec(expansion=6, channels=64, blocks=4, stride=2),
    StageSpec(expansion=6, channels=96, blocks=3, stride=1),
    StageSpec(expansion=6, channels=160, blocks=3, stride=2),
    StageSpec(expansion=6, channels=320, blocks=1, stride=1),
)

STRIDE_16 = 38
"""96 channels, the last block at 16 pixels per cell."""
STRIDE_32_EXPANDED = 51
"""1280 channels, the map ImageNet's classifier pools."""


class MobileNetV2(InvertedResiduals):
    """MobileNetV2 up to the convolution a tap names."""

    LAYERS = layers_of(STAGES)
    TAP = STRIDE_16
