"""A data set: images in a folder, and a table that lists which shows the same place as which."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.catalogue import Benchmark
from a2gc_ros.evaluation.ground_truth import ListedTruth
from a2gc_ros.evaluation.images import FileImages

FOLDER = "listed_pairs"


class ListedPairs:
    """``listed_pairs/pairs.csv`` with rows of two files below it, a query and the database image that is right."""

    title = "a table of pairs"

    def expects(self) -> list[str]:
        """What must be there."""
        return [f"{FOLDER}/pairs.csv"]

    def missing(self, root: Path) -> list[str]:
        """What of it is not there."""
        return [name for name in self.expects() if not (root / name).is_file()]

    def open(self, root: Path, name: str) -> Dataset:
        """Reads the table; no image is opened."""
        table = root / FOLDER / "pairs.csv"
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        if not rows or any(len(row) != 2 for row in rows):
            raise DatasetError(f"{table} must have rows of two names; write it again.")
        queries = sorted({query for query, _ in rows})
        database = sorted({image for _, image in rows})
        right = [sorted({database.index(image) for query, image in rows if query == asked}) for asked in queries]
        return Dataset(
            name=name,
            protocol="the listed images of the same place; every query counts",
            layout=self.title,
            database=Subset(FileImages(f"{name} database", root / FOLDER, database)),
            queries=Subset(FileImages(f"{name} queries", root / FOLDER, queries)),
            truth=ListedTruth([np.array(row, np.int64) for row in right]),
        )


LISTED_PAIRS = Benchmark(
    name="listed_pairs",
    title="Pairs of my own",
    queries=None,
    database=None,
    source="my own",
    terms="my own",
    layouts=(ListedPairs(),),
)
