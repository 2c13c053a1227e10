"""Mapillary Street-Level Sequences as Mapillary publishes them.

``train_val/CITY/{database,query}/`` and ``test/CITY/...`` hold ``images/KEY.jpg`` and CSV tables, row by row of the
same images: ``seq_info.csv`` (key, sequence), ``subtask_index.csv`` (which images count), ``postprocessed.csv`` (UTM
positions) and ``raw.csv`` (panoramas). As described at github.com/mapillary/mapillary_sls, whose evaluation takes
images of the subtask ``all`` that are no panoramas, 25 m, and leaves out queries without a right image.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.layout import first_folder, read_text
from a2gc_ros.evaluation.ground_truth import RadiusTruth
from a2gc_ros.evaluation.images import FileImages

FAR_APART = 1e8
"""Metres between two cities: UTM positions of different zones are not comparable."""

METRES = 25.0


@dataclass(frozen=True)
class _Side:
    """Database or queries of all cities."""

    names: list[str]
    keys: list[str]
    sequences: list[str]
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class MslsTree:
    """Mapillary's tree of cities.

    Attributes:
        folders: Folders that may hold it, relative to the root; ``.`` is the root, where the archives were unpacked.
        split: ``train_val`` or ``test``.
        cities: The cities.
        long: Every image that is no panorama is a query, with or without a right one; else the official choice.
    """

    title: ClassVar = "Mapillary's tree"

    folders: tuple[str, ...]
    split: str
    cities: tuple[str, ...]
    long: bool = False

    def expects(self) -> list[str]:
        """Tables of every city."""
        return [f"{self._places()}: {path}" for path in self._tables()]

    def missing(self, root: Path) -> list[str]:
        """Tables that are not there."""
        folder = self._folder(root)
        if folder is None:
            return [f"{self._places()} with {self.split}/"]
        return [f"{folder.name}/{path}" for path in self._tables() if not (folder / path).is_file()]

    def open(self, root: Path, name: str) -> Dataset:
        """Reads the tables."""
        folder = self._folder(root)
        if folder is None:
            raise DatasetError(f"{name} lacks {self.missing(root)[0]} below {root}; complete it.")
        database = self._side(folder, "database", name)
        queries = self._side(folder, "query", name)
        truth = RadiusTruth(queries.positions, database.positions, METRES)
        _, groups = np.unique(queries.sequences, return_inverse=True)
        rule = (
            "every query counts, those without a right image as misses"
            if self.long
            else "the official choice of queries, those without a right image left out"
        )
        return Dataset(
            name=name,
            protocol=f"within {METRES:g} m; {rule}",
            layout=self.title,
            database=Subset(FileImages(f"{name} database", folder, database.names)),
            queries=Subset(FileImages(f"{name} queries", folder, queries.names)),
            truth=truth,
            scored=None if self.long else np.array([len(right) > 0 for right in truth]),
            groups=groups.astype(np.int64),
            keys=(database.keys, queries.keys),
        )

    def _places(self) -> str:
        return " or ".join("the folder itself" if folder == "." else folder for folder in self.folders)

    def _folder(self, root: Path) -> Path | None:
        return first_folder(root, self.folders, self.split)

    def _tables(self) -> list[str]:
        files = ("seq_info.csv", "postprocessed.csv", *(() if self.long else ("subtask_index.csv",)))
        return [
            f"{self.split}/{city}/{side}/{file}"
            for city in self.cities
            for side in ("database", "query")
            for file in files
        ]

    def _side(self, folder: Path, side: str, name: str) -> _Side:
        found = _Side([], [], [], np.empty((0, 2)))
        positions = []
        for number, city in enumerate(self.cities):
            place = folder / self.split / city / side
            info = read_table(place / "seq_info.csv", name, ("key",))
            where = read_table(place / "postprocessed.csv", name, ("easting", "northing"), len(info))
            for row in np.flatnonzero(self._counted(place, name, len(info))):
                key = info[row]["key"]
                found.keys.append(key)
                found.names.append(f"{self.split}/{city}/{side}/images/{key}.jpg")
                found.sequences.append(info[row].get("sequence_key") or info[row].get("sequence_id") or key)
                east, north = (_number(where[row], axis, place, int(row)) for axis in ("easting", "northing"))
                positions.append((east + number * FAR_APART, north))
        return _Side(found.names, found.keys, found.sequences, np.array(positions, np.float64).reshape(-1, 2))

    def _counted(self, place: Path, name: str, rows: int) -> NDArray[np.bool_]:
        """Which images of a city count; the test split says nothing of panoramas."""
        counted = np.ones(rows, bool)
        if (place / "raw.csv").is_file():
            counted &= [row["pano"] != "True" for row in read_table(place / "raw.csv", name, ("pano",), rows)]
        if not self.long:
            subtask = read_table(place / "subtask_index.csv", name, ("all",), rows)
            counted &= [row["all"] == "True" for row in subtask]
        return counted


def read_table(path: Path, name: str, columns: tuple[str, ...], rows: int | None = None) -> list[dict[str, str]]:
    """Reads a CSV with a header.

    Raises:
        DatasetError: It cannot be read, lacks a column, or has another number of rows than its neighbors.
    """
    reader = csv.DictReader(io.StringIO(read_text(path, name)))
    absent = [column for column in columns if column not in (reader.fieldnames or ())]
    if absent:
        raise DatasetError(f"{path} has no column {absent[0]}; fetch that file again.")
    table = list(reader)
    if rows is not None and len(table) != rows:
        raise DatasetError(
            f"{path} has {len(table)} rows where the tables beside it have {rows}; fetch that folder again."
        )
    return table


def _number(row: dict[str, str], column: str, place: Path, number: int) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError):
        raise DatasetError(
            f"{place / 'postprocessed.csv'}, row {number}: {column} is {row[column]!r}, not a number; fetch that file "
            "again."
        ) from None
