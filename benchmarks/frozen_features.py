"""What a frozen backbone makes of images, worked out once and kept on disk; and the training of a head on that.

A head sees here what it would see behind the backbone, at a fraction of the cost. Only augmented views are drawn from a
fixed number for each image instead of being made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import openvino
import torch
from a2gc_training.augmentation import Augmentation
from a2gc_training.data.places import PlacesDataset
from a2gc_training.data.sampling import PlaceSampler
from a2gc_training.losses import MetricLoss
from a2gc_training.module import LinearDecay
from a2gc_training.recipe import Recipe
from numpy.lib.format import open_memmap
from place_protocols import BATCH, Descriptors, Images
from torch import Tensor

from a2gc_ros.models import Features, PlaceModel
from a2gc_ros.models.aggregator import DataStart
from a2gc_ros.models.aggregators.projected import Projected

Item = TypeVar("Item")

VIEWS = 8
"""Augmented views of each training image."""


class FrozenFeatures:
    """Maps and tokens of N images, in half precision on disk; `keep` writes them.

    Args:
        folder: The folder of `maps.npy` and `tokens.npy`.
    """

    def __init__(self, folder: Path) -> None:
        self._maps = np.load(folder / "maps.npy", mmap_mode="r", allow_pickle=False)
        self._tokens = np.load(folder / "tokens.npy", mmap_mode="r", allow_pickle=False)

    def __len__(self) -> int:
        return len(self._maps)

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> Features:
        """Maps float32 (B, C, H, W) and tokens float32 (B, T) of some images."""
        return Features(*(torch.from_numpy(np.array(kept[rows], np.float32)) for kept in (self._maps, self._tokens)))

    def batches(self, count: int | None = None, size: int = 64) -> Iterator[Features]:
        """The first `count` images, or all, a batch at a time."""
        last = len(self) if count is None else count
        return (self[first : min(first + size, last)] for first in range(0, last, size))


class FrozenBackbone:
    """A model's backbone on OpenVINO, which takes a fifth of PyTorch's time for a MobileNetV2 on a CPU.

    Args:
        model: The model.
    """

    def __init__(self, model: PlaceModel) -> None:
        size = model.preprocessing.height, model.preprocessing.width
        self.map_shape = model.backbone.out_channels, *model.backbone.grid(*size)
        self.token_shape = (model.backbone.token_channels,)
        # Tracing would leave the padding, which follows from the size, to OpenVINO, whose division rounds otherwise.
        batch = {"images": {0: torch.export.Dim("batch")}}
        program = torch.export.export(model.backbone.eval(), (torch.zeros(2, 3, *size),), dynamic_shapes=batch)
        graph = openvino.convert_model(program)
        settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
        self._run = openvino.Core().compile_model(graph, "CPU", settings)

    def __call__(self, images: Tensor) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Maps (B, C, H', W') and tokens (B, T) of normalized images (B, 3, H, W)."""
        maps, tokens = self._run(images.numpy()).values()
        return maps, tokens


def keep(folders: Mapping[Path, FrozenBackbone], batches: Iterator[Tensor], count: int) -> None:
    """Writes what each backbone makes of images into its folder; `count` normalized images, batches of (B, 3, H, W)."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    kept = {
        folder: (
            open_memmap(folder / "maps.npy", "w+", np.float16, (count, *backbone.map_shape)),
            np.empty((count, *backbone.token_shape), np.float16),
        )
        for folder, backbone in folders.items()
    }
    done = 0
    for images in batches:
        for folder, backbone in folders.items():
            for part, found in zip(kept[folder], backbone(images), strict=True):
                part[done : done + len(images)] = found
        done += len(images)
    for folder, (_, tokens) in kept.items():
        np.save(folder / "tokens.npy", tokens, allow_pickle=False)


def as_they_are(model: PlaceModel, images: Images) -> Iterator[Tensor]:
    """Images as the backbone takes them."""
    for some in _batched(images):
        yield model.normalize(torch.from_numpy(np.stack([model.preprocessing.apply(image) for image in some])))


def with_views(model: PlaceModel, data: PlacesDataset, augmentation: Augmentation) -> Iterator[Tensor]:
    """All training images as they are, then all of them again for each augmented view; the same views at each call."""
    torch.manual_seed(0)
    for view in range(VIEWS + 1):
        for rows in _batched(range(len(data))):
            images = torch.stack([data.images[row][0] for row in rows])
            if view == 0:
                yield model.normalize(images)
            else:
                changed = augmentation(images.permute(0, 3, 1, 2).float() / 255)
                yield model.standardize(changed)


@torch.inference_mode()
def describe(model: PlaceModel, features: FrozenFeatures) -> Descriptors:
    """Descriptors of the images, float32 (N, D)."""
    model.eval()
    return torch.cat([model.aggregator(item.map, item.token) for item in features.batches()]).numpy()


@torch.no_grad()
def start_from_data(recipe: Recipe, model: PlaceModel, features: FrozenFeatures, images: int) -> None:
    """Starts the head as `initialize` of a recipe says, from all training images and their first views."""
    section = recipe.initialize
    head, rows = model.aggregator.eval(), images * (1 + section.views)
    seen = features[:rows]
    head.initialize_from(*seen, DataStart(section.contrast, section.whitening, recipe.seed))
    if isinstance(head, Projected):
        head.whiten(torch.cat([head.agg(item.map, item.token) for item in features.batches(rows)]))


def train_head(recipe: Recipe, model: PlaceModel, features: FrozenFeatures, data: PlacesDataset) -> None:
    """Takes the recipe's steps with its loss, sampling and optimizer."""
    section = recipe.optimizer
    sampler = PlaceSampler(data.places, recipe.sampling, seed=recipe.seed)
    head, loss = model.aggregator.train(), MetricLoss(recipe.loss)
    optimizer = torch.optim.AdamW(head.parameters(), lr=section.lr, weight_decay=section.weight_decay)
    decay = LinearDecay(section.end_factor, len(sampler), section.warmup_iters)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, decay)
    torch.manual_seed(recipe.seed)
    views = np.random.default_rng(recipe.seed)
    for draws in sampler:
        rows, places = np.array(draws, np.int64).T
        found = features[rows + len(data) * views.integers(1, VIEWS + 1, len(rows))]
        optimizer.zero_grad()
        loss(head(found.map, found.token), torch.from_numpy(places.copy())).backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), recipe.trainer.gradient_clip)
        optimizer.step()
        schedule.step()


def _batched(items: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while batch := list(islice(stream, BATCH)):
        yield batch
