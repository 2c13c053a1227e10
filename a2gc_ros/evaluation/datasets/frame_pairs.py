"""Two folders whose images correspond by their order or by their names: Nordland, SPED, AmsterTime, Essex3in1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.layout import bases
from a2gc_ros.evaluation.ground_truth import FrameTruth
from a2gc_ros.evaluation.images import FileImages, find_images


@dataclass(frozen=True)
class FramePairs:
    """Two folders that correspond frame by frame.

    Attributes:
        folders: Folders that may hold both, relative to the root; the first that does is taken.
        database: The inner folder that is searched.
        queries: The inner folder of queries.
        tolerance: Largest difference of frame numbers that is right.
        every: Query i shows database frame ``every * i``.
        same_names: Whether frames that correspond bear the same name, without the ending.
    """

    title: ClassVar = "two folders as published"

    folders: tuple[str, ...]
    database: str
    queries: str
    tolerance: int = 0
    every: int = 1
    same_names: bool = False

    def expects(self) -> list[str]:
        """The two folders."""
        return [f"{folder}/{inner}/" for inner in (self.database, self.queries) for folder in self.folders]

    def missing(self, root: Path) -> list[str]:
        """What is not there, unless both folders are in one of the places."""
        if self._folder(root) is not None:
            return []
        return [f"{self.database}/ and {self.queries}/ in {' or '.join(self.folders)}"]

    def open(self, root: Path, name: str) -> Dataset:
        """Lists the images and pairs them."""
        folder = self._folder(root)
        if folder is None:
            raise DatasetError(f"{name} lacks {self.missing(root)[0]} below {root}; complete it.")
        database = _in_order(find_images(folder / self.database, f"{name} database"))
        queries = _in_order(find_images(folder / self.queries, f"{name} queries"))
        if len(database) < self.every * (len(queries) - 1) + 1 or (self.every == 1 and len(database) != len(queries)):
            raise DatasetError(
                f"{folder} holds {len(database)} database images and {len(queries)} queries, which do not correspond; "
                "unpack both folders anew."
            )
        if self.same_names:
            _check_names(database, queries)
        return Dataset(
            name=name,
            protocol=self._right(),
            layout=self.title,
            database=Subset(database),
            queries=Subset(queries),
            truth=FrameTruth(len(queries), len(database), self.tolerance, self.every),
        )

    def _right(self) -> str:
        right = f"within {self.tolerance} frames" if self.tolerance > 1 else "within 1 frame"
        return f"{right if self.tolerance else 'the one image of the same place'}; every query counts"

    def _folder(self, root: Path) -> Path | None:
        both = (base / folder for base in bases(root) for folder in self.folders)
        return next((f for f in both if (f / self.database).is_dir() and (f / self.queries).is_dir()), None)


def _in_order(images: FileImages) -> FileImages:
    """Sorts frame 2 before frame 10."""
    by_number = sorted(images.names, key=lambda name: [int(part) if part else 0 for part in re.split(r"\D+", name)])
    return FileImages(images.name, images.root, by_number)


def _check_names(database: FileImages, queries: FileImages) -> None:
    for ours, theirs in zip(database.names, queries.names, strict=True):
        if Path(ours).stem != Path(theirs).stem:
            raise DatasetError(
                f"{queries.root / theirs} has no partner of its name in {database.root}; unpack both folders anew."
            )
