"""Two folders whose file names carry positions: ``@utm_east@utm_north@...@.jpg``.

The convention of VPR-datasets-downloader (github.com/gmberton/VPR-datasets-downloader, MIT). Data sets without
positions have made-up ones there: frames 25/10.5 m apart (Nordland), pairs 1 km apart (SPED, AmsterTime).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.layout import first_folder
from a2gc_ros.evaluation.ground_truth import RadiusTruth
from a2gc_ros.evaluation.images import find_images


@dataclass(frozen=True)
class UtmFolders:
    """Two folders of images with positions in their names.

    Attributes:
        database: The folder that is searched, relative to the root.
        queries: The folder of queries.
        metres: Largest distance that is right.
        right: In words, what that distance stands for; empty says it in metres.
    """

    title: ClassVar = "folders of VPR-datasets-downloader"

    database: str
    queries: str
    metres: float = 25.0
    right: str = ""

    def expects(self) -> list[str]:
        """The two folders."""
        return [f"{self.database}/", f"{self.queries}/"]

    def missing(self, root: Path) -> list[str]:
        """Folders that are not there."""
        return [f"{folder}/" for folder in (self.database, self.queries) if first_folder(root, [folder]) is None]

    def open(self, root: Path, name: str) -> Dataset:
        """Lists the images and reads their positions."""
        database = find_images(first_folder(root, [self.database]) or root / self.database, f"{name} database")
        queries = find_images(first_folder(root, [self.queries]) or root / self.queries, f"{name} queries")
        truth = RadiusTruth(
            positions_in(queries.names, queries.root), positions_in(database.names, database.root), self.metres
        )
        right = self.right or f"within {self.metres:g} m"
        return Dataset(
            name=name,
            protocol=f"{right}; every query counts, those without a right image as misses",
            layout=self.title,
            database=Subset(database),
            queries=Subset(queries),
            truth=truth,
        )


def positions_in(names: Sequence[str], root: Path) -> NDArray[np.float64]:
    """Reads UTM positions, float64 (N, 2), from file names.

    Raises:
        DatasetError: A name carries none.
    """
    positions = np.empty((len(names), 2))
    for row, name in enumerate(names):
        fields = name.split("@")
        try:
            positions[row] = float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            raise DatasetError(
                f"{root / name} has no position in its name; it must read @utm_east@utm_north@...@.jpg, as "
                "VPR-datasets-downloader writes it, or give positions in a CSV with --truth."
            ) from None
    return positions
