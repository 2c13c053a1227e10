"""Data sets that torch's loaders draw from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset

from a2gc_ros.errors import DatasetError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_training.data.rules import Places
from a2gc_training.data.sampling import Draw
from a2gc_training.data.sources import Source, load_table
from a2gc_training.data.tables import ImageTable


class PlaceBatch(TypedDict):
    """Images of a training step.

    Attributes:
        images: uint8 (B, height, width, 3), RGB.
        places: int64 (B,), the place each shows.
        rows: int64 (B,), their rows, numbered through over all tables.
    """

    images: Tensor
    places: Tensor
    rows: Tensor


class ImageBatch(TypedDict):
    """Images of a validation step.

    Attributes:
        images: uint8 (B, height, width, 3), RGB.
        rows: int64 (B,), their rows in the table.
    """

    images: Tensor
    rows: Tensor


class ImagesDataset(Dataset[tuple[Tensor, int]]):
    """The images of one table as a model's input, in order.

    Args:
        table: The images.
        preprocessing: The model's resize.
        keep: Whether an image stays in memory once it was read, in the process that read it.
    """

    def __init__(self, table: ImageTable, preprocessing: Preprocessing, *, keep: bool = False) -> None:
        self.table = table
        self._preprocessing = preprocessing
        self._kept: dict[int, Tensor] | None = {} if keep else None

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        """The image, uint8 (height, width, 3), and its row; raises DatasetError for one that cannot be read."""
        if self._kept is None:
            return self._read(row), row
        if row not in self._kept:
            self._kept[row] = self._read(row)
        return self._kept[row], row

    def _read(self, row: int) -> Tensor:
        return torch.from_numpy(self._preprocessing.apply(self.table.read(row)))


class PlacesDataset(Dataset[PlaceBatch]):
    """Places of several tables, numbered through; an item is a whole batch.

    Args:
        parts: Each table with its places.
        preprocessing: The model's resize.
        keep: Whether images stay in memory once they were read.

    Attributes:
        images: Those of all tables, each with its row in its own.
        places: Those of all tables.
    """

    def __init__(
        self, parts: Sequence[tuple[ImageTable, Places]], preprocessing: Preprocessing, *, keep: bool = False
    ) -> None:
        if not parts:
            raise DatasetError("There is no table to train on; give at least one source.")
        self.tables = [table for table, _ in parts]
        self.images: ConcatDataset[tuple[Tensor, int]] = ConcatDataset(
            [ImagesDataset(table, preprocessing, keep=keep) for table in self.tables]
        )
        self.places = Places([], [])
        first_row = 0
        for table, places in parts:
            first_place = len(self.places)
            self.places.members.extend(rows + first_row for rows in places.members)
            self.places.conflicts.extend(near + first_place for near in places.conflicts)
            first_row += len(table)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draws: Sequence[Draw]) -> PlaceBatch:
        """Reads a batch of (row, place) pairs; raises DatasetError for an image that cannot be read."""
        rows, places = torch.tensor(draws, dtype=torch.int64).unbind(1)
        return {"images": torch.stack([self.images[row][0] for row, _ in draws]), "places": places, "rows": rows}

    def codes(self, column: str) -> NDArray[np.int64]:
        """Code of every row by a column, those of different tables different; 0 for a table without the column."""
        codes: list[NDArray[np.int64]] = []
        base = 1
        for table in self.tables:
            own = table.codes([column]) + base if column in table.columns else np.zeros(len(table), np.int64)
            base = max(base, int(own.max(initial=0)) + 1)
            codes.append(own)
        return np.concatenate(codes)

    def groups(self, column: str) -> NDArray[np.int64]:
        """Group of each place by a column; a table without the column is one group of its own."""
        table_of = np.repeat(np.arange(len(self.tables)), [len(table) for table in self.tables])
        first_rows = [rows[0] for rows in self.places.members]
        pairs = np.stack([table_of, self.codes(column)], axis=1)[first_rows]
        return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def collate_images(items: Sequence[tuple[Tensor, int]]) -> ImageBatch:
    """Stacks what :class:`ImagesDataset` gives."""
    return {
        "images": torch.stack([image for image, _ in items]),
        "rows": torch.tensor([row for _, row in items], dtype=torch.int64),
    }


def make_safe_to_fork() -> None:
    """Stops OpenCV's threads: a forked reading process would hang on those it believes to have."""
    cv2.setNumThreads(0)


def load_places(sources: Sequence[Source], preprocessing: Preprocessing, *, keep: bool = False) -> PlacesDataset:
    """Reads a recipe's training sources.

    Raises:
        DatasetError: A data set is damaged or incomplete.
        ConfigError: A filter names a value that does not occur.
    """
    tables = [load_table(source) for source in sources]
    places = [source.same.places(table) for source, table in zip(sources, tables, strict=True)]
    return PlacesDataset(list(zip(tables, places, strict=True)), preprocessing, keep=keep)
