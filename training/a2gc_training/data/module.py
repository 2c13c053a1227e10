"""The Lightning data module: one training set, any number of validation sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as lightning
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from a2gc_ros.images.preprocess import Preprocessing
from a2gc_training.data.benchmarks import BenchmarkSource, load_benchmark
from a2gc_training.data.places import ImagesDataset, PlaceBatch, PlacesDataset, collate_images, make_safe_to_fork
from a2gc_training.data.sampling import PlaceSampler
from a2gc_training.data.sources import load_table
from a2gc_training.data.validation import RetrievalTask, build_task
from a2gc_training.recipe import ValidationSection
from a2gc_training.sections import SamplingSection, TrainerSection


@dataclass(frozen=True)
class ValidationSet:
    """A held-out set: its name in logs, its images, and what is asked of them."""

    name: str
    images: ImagesDataset
    task: RetrievalTask


def load_validation(section: ValidationSection, preprocessing: Preprocessing, *, keep: bool = False) -> ValidationSet:
    """Reads a recipe's validation set.

    Raises:
        DatasetError: The data set is damaged, or nothing can be asked of it under the protocol.
        ConfigError: A filter names a value that does not occur.
    """
    if isinstance(section.source, BenchmarkSource):
        table, task = load_benchmark(section.source)
    else:
        table = load_table(section.source)
        task = build_task(table, section.protocol)
    return ValidationSet(section.name, ImagesDataset(table, preprocessing, keep=keep), task)


class PlacesDataModule(lightning.LightningDataModule):
    """Loaders over training and validation sets.

    Args:
        training: The training set.
        validation: The validation sets.
        sampling: Which images meet in a batch.
        trainer: Says how many images make a validation batch, and how many processes read images.
        seed: Of the order.
    """

    def __init__(
        self,
        training: PlacesDataset,
        validation: Sequence[ValidationSet],
        sampling: SamplingSection,
        trainer: TrainerSection,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.training = training
        self.validation = list(validation)
        self._sampling = sampling
        self._section = trainer
        self._seed = seed
        self._look_alikes: list[NDArray[np.int64]] = []
        self._drawing: PlaceSampler | None = None
        if trainer.workers > 0:
            make_safe_to_fork()

    def sampler(self, rank: int = 0, world_size: int = 1) -> PlaceSampler:
        """The order of one process; raises ConfigError when the data cannot fill a batch."""
        column = self._sampling.from_one
        groups = None if column is None else self.training.groups(column)
        sampler = PlaceSampler(
            self.training.places, self._sampling, groups=groups, seed=self._seed, rank=rank, world_size=world_size
        )
        sampler.look_alikes = self._look_alikes
        return sampler

    def put_together(self, look_alikes: list[NDArray[np.int64]]) -> None:
        """From the next epoch on, puts places that look alike into the same batch, as `PlaceSampler` takes them."""
        self._look_alikes = look_alikes
        if self._drawing is not None:
            self._drawing.look_alikes = look_alikes

    def train_dataloader(self) -> DataLoader[PlaceBatch]:
        """Batches of places; the sampler hands whole batches to the data set."""
        self._drawing = self.sampler(*self._process())
        # A resumed run asks the first batches of its readers before Lightning tells it the epoch.
        self._drawing.set_epoch(0 if self.trainer is None else self.trainer.current_epoch)
        return DataLoader(self.training, batch_size=None, sampler=self._drawing, **self._reading())

    def val_dataloader(self) -> list[DataLoader[tuple[Tensor, int]]]:
        """One loader per validation set, each process reading its share."""
        rank, world_size = self._process()
        return [
            DataLoader(
                item.images,
                batch_size=self._section.validation_batch,
                sampler=DistributedSampler(item.images, world_size, rank, shuffle=False),
                collate_fn=collate_images,
                **self._reading(),
            )
            for item in self.validation
        ]

    def _process(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _reading(self) -> dict[str, Any]:
        """How a loader reads."""
        workers = self._section.workers
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": on_gpu}
