"""The whole network: image in, descriptor out."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from a2gc_ros.errors import ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models.aggregator import DataStart
from a2gc_ros.models.aggregators.projected import Projected
from a2gc_ros.models.architecture import Architecture


class PlaceModel(nn.Module):
    """A backbone, an aggregator and the preprocessing they belong to; the descriptor has `descriptor_dim` dimensions.

    Args:
        architecture: What to build.
        preprocessing: Input size, resize rule and normalization the weights are meant for.
        name: What people call the model.
    """

    def __init__(self, architecture: Architecture, preprocessing: Preprocessing, *, name: str = "unnamed") -> None:
        super().__init__()
        self.name = name
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.backbone = architecture.make_backbone()
        grid = self.backbone.grid(preprocessing.height, preprocessing.width)
        self.aggregator = architecture.make_aggregator(self.backbone)
        self.aggregator.check_grid(*grid)
        self.descriptor_dim = self.aggregator.descriptor_dim
        self.register_buffer("_mean", torch.tensor(preprocessing.mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(preprocessing.std).reshape(3, 1, 1), persistent=False)
        self._mean: Tensor
        self._std: Tensor

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """L2-normalized descriptors (B, D).

        Args:
            images: Normalized images, float (B, 3, H, W).
            mask: Boolean (B, H', W') over the backbone's grid, true where a patch counts; all do if not given.
        """
        features = self.backbone(images)
        return self.aggregator(features.map, features.token, mask)

    def normalize(self, images: Tensor) -> Tensor:
        """RGB images uint8 (B, H, W, 3) as the network's float (B, 3, H, W)."""
        return self.standardize(images.permute(0, 3, 1, 2).to(self._mean.dtype) / 255)

    def standardize(self, images: Tensor) -> Tensor:
        """Images with intensities in [0, 1], float (B, 3, H, W), less the mean and divided by the deviation of each."""
        return (images - self._mean) / self._std

    def bake(self) -> PlaceModel:
        """Switches to evaluation and precomputes what depends on the input size alone, as for an export."""
        self.eval()
        size = self.preprocessing.height, self.preprocessing.width
        self.backbone.bake(*size)
        self.aggregator.bake(*self.backbone.grid(*size))
        return self

    @torch.no_grad()
    def initialize_from(self, batches: Iterable[Tensor], start: DataStart = DataStart()) -> None:
        """Sets the aggregator from the backbone's features of normalized images, batches of (B, 3, H, W).

        A few hundred images of the kind the model will see are enough. A final projection is whitened on their
        descriptors.

        Raises:
            ModelError: There is too little data, or the aggregator has no such start.
        """
        self.eval()
        features = [self.backbone(images) for images in batches]
        if not features:
            raise ModelError(f"{self.name} cannot be initialized from no image: give a few hundred.")
        maps, tokens = torch.cat([item.map for item in features]), torch.cat([item.token for item in features])
        self.aggregator.initialize_from(maps, tokens, start)
        if isinstance(self.aggregator, Projected):
            self.aggregator.whiten(torch.cat([self.aggregator.agg(item.map, item.token) for item in features]))
