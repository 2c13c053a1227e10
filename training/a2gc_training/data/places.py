"""Data sets that torch's loaders draw from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from a2gc_ros.errors import DatasetError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_training.data.rules import Places
from a2gc_training.data.sampling import Draw
from a2gc_training.data.sources import Source, load_table, places_of
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


class PreparedImages:
    """The images of a table as a model's input.

    Args:
        table: The images.
        preprocessing: The model's resize.
        keep: Whether an image stays in memory once it was read, in the process that read it.
    """

    def __init__(self, table: ImageTable, preprocessing: Preprocessing, *, keep: bool = False) -> None:
        self.table = table
        self.preprocessing = preprocessing
        self._kept: dict[int, NDArray[np.uint8]] | None = {} if keep else None

    def read(self, row: int) -> NDArray[np.uint8]:
        """A row's image, uint8 (height, width, 3)."""
        if self._kept is None:
            return self.preprocessing.apply(self.table.read(row))
        if row not in self._kept:
            self._kept[row] = self.preprocessing.apply(self.table.read(row))
        return self._kept[row]


class PlacesDataset(Dataset[PlaceBatch]):
    """Places of several tables, numbered through; an item is a whole batch.

    Args:
        parts: Each table with its places.
        preprocessing: The model's resize.
        keep: Whether images stay in memory once they were read.
    """

    def __init__(
        self, parts: Sequence[tuple[ImageTable, Places]], preprocessing: Preprocessing, *, keep: bool = False
    ) -> None:
        if not parts:
            raise DatasetError("There is no table to train on; give at least one source.")
        self.tables = [table for table, _ in parts]
        self._prepared = [PreparedImages(table, preprocessing, keep=keep) for table in self.tables]
        self._first_row = np.cumsum([0, *(len(table) for table in self.tables)])
        self._first_place = np.cumsum([0, *(len(places) for _, places in parts)])
        offsets = list(zip(self._first_row[:-1], self._first_place[:-1], [p for _, p in parts], strict=True))
        self.places = Places(
            [rows + first_row for first_row, _, places in offsets for rows in places.members],
            [near + first_place for _, first_place, places in offsets for near in places.conflicts],
        )

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __getitem__(self, draws: Sequence[Draw]) -> PlaceBatch:
        """Reads a batch of (row, place) pairs; raises DatasetError for an image that cannot be read."""
        images = np.stack([self.image(row) for row, _ in draws])
        rows, places = torch.tensor(draws, dtype=torch.int64).unbind(1)
        return {"images": torch.from_numpy(images), "places": places, "rows": rows}

    def image(self, row: int) -> NDArray[np.uint8]:
        """A row's image as the model's input, uint8 (height, width, 3)."""
        part = int(np.searchsorted(self._first_row, row, side="right")) - 1
        return self._prepared[part].read(row - int(self._first_row[part]))

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
        groups: list[int] = []
        for part, table in enumerate(self.tables):
            codes = table.codes([column] if column in table.columns else [])
            base = max(groups, default=-1) + 1
            for number in range(int(self._first_place[part]), int(self._first_place[part + 1])):
                row = int(self.places.members[number][0] - self._first_row[part])
                groups.append(base + int(codes[row]))
        return np.array(groups, np.int64)


class ImagesDataset(Dataset[tuple[Tensor, int]]):
    """The images of one table, in order.

    Args:
        table: The images.
        preprocessing: The model's resize.
        keep: Whether images stay in memory once they were read.
    """

    def __init__(self, table: ImageTable, preprocessing: Preprocessing, *, keep: bool = False) -> None:
        self.table = table
        self._prepared = PreparedImages(table, preprocessing, keep=keep)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        """The image, uint8 (height, width, 3), and its row."""
        return torch.from_numpy(self._prepared.read(row)), row


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
    parts = [(table, places_of(source, table)) for source, table in zip(sources, tables, strict=True)]
    return PlacesDataset(parts, preprocessing, keep=keep)
