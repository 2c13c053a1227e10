"""Image names and ground truth as NumPy arrays: the layout of GSV-Cities, MixVPR and what followed them.

``STEM_dbImages.npy`` and ``STEM_qImages.npy`` hold paths below the folder of images, ``STEM_gt.npy`` the right rows of
each query. MSLS has ``STEM_qIdx.npy``, which queries count, and calls its ground truth ``STEM_pIdx.npy``.
The lists come with github.com/amaralibey/gsv-cities, in its folder ``datasets``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.layout import first_folder
from a2gc_ros.evaluation.datasets.object_arrays import read_row_lists
from a2gc_ros.evaluation.ground_truth import ListedTruth
from a2gc_ros.evaluation.images import FileImages


@dataclass(frozen=True)
class NpyLists:
    """Lists of images and of what is right.

    Attributes:
        stem: What the files' names begin with.
        lists: Folders that may hold the lists, relative to the root; the first that does is taken.
        images: Folders that may hold the images.
        right: In words, what the ground truth counts as right.
        truth: How the file of ground truth ends.
        chosen: Whether a list says which of the queries count.
        names: How the lists of the database and of the queries end.
        publisher: Whose lists these are.
    """

    stem: str
    lists: tuple[str, ...]
    images: tuple[str, ...]
    right: str
    truth: str = "gt"
    chosen: bool = False
    names: tuple[str, str] = ("dbImages", "qImages")
    publisher: str = "GSV-Cities"

    @property
    def title(self) -> str:
        """Whose layout this is."""
        return f"npy lists of {self.publisher}"

    def expects(self) -> list[str]:
        """The lists and the folder of images."""
        lists, images = " or ".join(self.lists), " or ".join(self.images)
        return [f"{file} in {lists}" for file in self._files()] + [f"images in {images}"]

    def missing(self, root: Path) -> list[str]:
        """Lists that are not there, and the folder of images where none is."""
        folder = self._list_folder(root)
        lists = " or ".join(self.lists)
        absent = [f"{file} in {lists}" for file in self._files() if folder is None or not (folder / file).is_file()]
        if first_folder(root, self.images) is None:
            absent.append(f"images in {' or '.join(self.images)}")
        return absent

    def open(self, root: Path, name: str) -> Dataset:
        """Reads the lists."""
        folder, images = self._list_folder(root), first_folder(root, self.images)
        if folder is None or images is None:
            raise DatasetError(f"{name} lacks {', '.join(self.missing(root))} below {root}; complete it.")
        database, queries = (read_names(folder / f"{self.stem}_{part}.npy", name) for part in self.names)
        if self.chosen:
            path = folder / f"{self.stem}_qIdx.npy"
            chosen = np.concatenate(read_row_lists(path))
            _check_rows([chosen], len(queries), path)
            queries = [queries[row] for row in chosen]
        rows = read_row_lists(folder / self._files()[-1])
        _check_rows(rows, len(database), folder / self._files()[-1])
        return Dataset(
            name=name,
            protocol=f"{self.right}, as the list says; every listed query counts",
            layout=self.title,
            database=Subset(FileImages(f"{name} database", images, database)),
            queries=Subset(FileImages(f"{name} queries", images, queries)),
            truth=ListedTruth(rows),
        )

    def _files(self) -> list[str]:
        endings = [*self.names, *(["qIdx"] if self.chosen else []), self.truth]
        return [f"{self.stem}_{ending}.npy" for ending in endings]

    def _list_folder(self, root: Path) -> Path | None:
        return first_folder(root, self.lists, self._files()[0])


def read_names(path: Path, name: str) -> list[str]:
    """Reads a list of file names; raises DatasetError that names the file."""
    try:
        names = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DatasetError(f"{name} needs {path}, which cannot be read ({error}); fetch that file again.") from None
    except ValueError:
        names = np.empty(0)
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DatasetError(f"{path} is not a list of file names; fetch it again from its publisher.")
    return [str(entry) for entry in names]


def _check_rows(rows: Sequence[NDArray[np.int64]], count: int, path: Path) -> None:
    for number, entry in enumerate(rows):
        if len(entry) and not 0 <= entry.min() <= entry.max() < count:
            raise DatasetError(
                f"{path}, entry {number}, names row {entry.max()} of a list of {count}; lists and ground truth must "
                "come from the same release."
            )
