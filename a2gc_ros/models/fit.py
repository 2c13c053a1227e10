"""A head fitted to images, without labels and without a gradient step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2gc_ros.images.views import random_view
from a2gc_ros.models.place_model import PlaceModel

VIEWS = 2
"""Augmented views of every image: they show the whitening what changes without the place changing."""

CONTRAST = 7.4
"""How many times the nearest centre outweighs the second nearest for an average feature: soft, e squared."""

HALF_WHITENED = 0.5
"""Of the local features' components: each is divided by its deviation to this power."""

BATCH = 16


def fit_head(model: PlaceModel, images: Iterable[NDArray[np.uint8]], *, views: int = VIEWS, seed: int = 0) -> None:
    """Sets a model's head from RGB images, uint8 (H, W, 3) of any size, and from random views of them.

    Args:
        model: The model, its backbone with its weights.
        images: A few hundred at least, of as many places as can be had.
        views: Views of each image beside itself.
        seed: Of the views, the samples and the k-means start.

    Raises:
        ModelError: There are too few images, or this head has no such fit.
    """
    rng = np.random.default_rng(seed)

    def batches() -> Iterator[Tensor]:
        stream = iter(images)
        while chunk := [model.preprocessing.apply(image) for image in islice(stream, BATCH)]:
            yield model.normalize(torch.from_numpy(np.stack(chunk)))
            for _ in range(views):
                yield model.normalize(torch.from_numpy(np.stack([random_view(image, rng) for image in chunk])))

    model.initialize_from(batches(), contrast=CONTRAST, whitening=HALF_WHITENED, seed=seed)
