"""What every backbone is: an image network that gives a map of patch features and one global token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from a2gc_ros.errors import ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models.weights.weights import Weights


class Features(NamedTuple):
    """Output of a backbone: `map` (B, C, H', W') of local features and `token` (B, T), one per image."""

    map: Tensor
    token: Tensor


def start_at_random(convolutions: nn.Module) -> None:
    """Draws the weights of the convolutions in a module (He et al., arXiv 1502.01852), and sets biases to zero."""
    for layer in convolutions.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Backbone(nn.Module, ABC):
    """Base of the backbones.

    A subclass sets `out_channels` (C of the map), `token_channels` (T of the token) and `stride` (pixels per cell
    of the map), and names its blocks in order of depth. One that an installed package adds says besides how its images
    are prepared, and where published weights of it are, if there are any.
    """

    preprocessing: ClassVar[Preprocessing] = Preprocessing(height=320, width=320)
    backbone_weights: ClassVar[Weights | None] = None

    out_channels: int
    token_channels: int
    stride: int

    def __init__(self) -> None:
        super().__init__()
        self._frozen: list[nn.Module] = []

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Features of normalized images, float (B, 3, H, W)."""

    @abstractmethod
    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """The units that can train on their own, first to last; each is one or more modules."""

    @abstractmethod
    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map for an image of `height` x `width` pixels.

        Raises:
            ModelError: The backbone cannot take an image of this size.
        """

    def final_modules(self) -> Sequence[nn.Module]:
        """Modules after the last block; they train whenever any block does."""
        return ()

    def bake(self, height: int, width: int) -> None:
        """Precomputes whatever depends on the image size alone; a backbone without such a part has nothing to do."""
        self.grid(height, width)

    def set_trainable_blocks(self, count: int | None) -> None:
        """Freezes all but the last `count` blocks and what follows them; None lets everything train.

        Frozen modules stay in evaluation mode, so batch norms among them keep their published statistics.

        Raises:
            ModelError: `count` is negative or exceeds the number of blocks.
        """
        units = self.blocks_by_depth()
        if count is not None and not 0 <= count <= len(units):
            raise ModelError(
                f"{type(self).__name__} has {len(units)} blocks, so {count} trainable blocks cannot be had; "
                f"choose 0 to {len(units)}, or none given to train everything."
            )
        self.requires_grad_(count is None)
        trainable: list[nn.Module] = []
        if count:
            trainable = [module for unit in units[-count:] for module in unit] + list(self.final_modules())
        for module in trainable:
            module.requires_grad_(True)
        self._frozen = [] if count is None else self._modules_outside(trainable)
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        """Switches to training or evaluation; frozen modules stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen:
            # Not the recursive switch, which would also reach trainable blocks within a container.
            module.training = False
        return self

    def _modules_outside(self, trainable: Sequence[nn.Module]) -> list[nn.Module]:
        inside = {id(module) for parent in trainable for module in parent.modules()}
        return [module for module in self.modules() if module is not self and id(module) not in inside]
