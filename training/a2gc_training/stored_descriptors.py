"""Descriptors of a table's images, worked out once and kept on disk: for teachers too large to run at every step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from a2gc_ros.evaluation.describe import describe
from a2gc_ros.evaluation.store import default_folder
from a2gc_ros.extract import Extractor
from a2gc_ros.system.progress import progress_bar
from a2gc_training.data.tables import ImageTable


class TableImages:
    """A table as a store of descriptors takes it; its names are absolute, so they need no origin."""

    origin = ""

    def __init__(self, table: ImageTable) -> None:
        self._table = table
        self.name = table.name
        self.names = [table.reader.identity(name) for name in table.images]

    def marks(self) -> NDArray[np.int64]:
        """A number for each image that differs once it is replaced, int64 (rows,)."""
        return np.array([self._table.reader.mark(name) for name in self._table.images], np.int64)

    def read(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yields the images of some rows."""
        return (self._table.read(int(row)) for row in rows)


def stored_descriptors(extractor: Extractor, table: ImageTable, parent: Path | None = None) -> NDArray[np.float16]:
    """Descriptors of every row of a table, described now or in an earlier run.

    Another model or another set of images has another store, and an image that was replaced is described anew.
    Interrupted work goes on where it stopped. Of several processes one works and the others wait.

    Args:
        extractor: The model.
        table: The images.
        parent: The folder that holds stores; None is that of `a2gc eval`.

    Returns:
        float16 (rows, D), L2-normalized but for rounding; a read-only map of the file.

    Raises:
        DatasetError: An image cannot be read, or the disk has no room.
        BackendError: The model's runtime failed.
    """
    parent = default_folder() if parent is None else parent
    parent.mkdir(parents=True, exist_ok=True)
    with (
        # The processes of a training all ask at once.
        FileLock(parent / "training.lock"),
        progress_bar(f"Describing images with {extractor.spec.name}") as show,
        describe(TableImages(table), extractor, parent, on_progress=show) as store,
    ):
        file = store.path / "descriptors.npy"
    return np.load(file, mmap_mode="r", allow_pickle=False)
