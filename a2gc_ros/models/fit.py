"""A head fitted to images, without labels and without a gradient step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2gc_ros.images.views import random_view
from a2gc_ros.models.aggregator import DataStart
from a2gc_ros.models.place_model import PlaceModel

VIEWS = 2
"""Augmented views of every image: they show the whitening what changes without the place changing."""

START = DataStart(contrast=7.4, whitening=0.5)
"""Soft, e squared; each of the local features' components is divided by its deviation to the power of a half."""

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

    model.initialize_from(batches(), replace(START, seed=seed))
