"""Two folders of one's own: positions in the file names, in a CSV, or a list of what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.delimited import read_records
from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.layout import read_text
from a2gc_ros.evaluation.datasets.object_arrays import read_row_lists
from a2gc_ros.evaluation.datasets.utm_folders import positions_in
from a2gc_ros.evaluation.ground_truth import ListedTruth, RadiusTruth, Truth
from a2gc_ros.evaluation.images import FileImages, find_images
from a2gc_ros.geometry import MAX_COORDINATE_M

_X = ("x", "x_m", "easting", "utm_east")
_Y = ("y", "y_m", "northing", "utm_north")
_YAW = ("yaw", "yaw_rad", "heading_rad")


def open_folders(
    database: Path, queries: Path, truth: Path | None, *, name: str, metres: float, degrees: float
) -> Dataset:
    """Makes a data set of two folders.

    Args:
        database: The folder that is searched.
        queries: The folder of queries.
        truth: None takes positions from names that read ``@utm_east@utm_north@...``. A CSV with columns ``image``,
            ``x`` and ``y`` (metres), and ``yaw`` (radians) where headings count, holds positions of both folders. A
            CSV with columns ``query`` and ``database`` lists right pairs, one a row. An ``.npy`` holds for each query
            the right rows of the database, both in order of their paths.
        name: What it is called.
        metres: Largest distance that is right.
        degrees: Largest difference of headings that is right, where the CSV has them.

    Raises:
        DatasetError: A folder or file is missing, damaged, or does not fit the others.
    """
    searched = find_images(database, f"{name} database")
    asked = find_images(queries, f"{name} queries")
    right, rows = _truth(searched, asked, truth, metres, degrees)
    return Dataset(
        name=name,
        protocol=f"{right}; every query counts, those without a right image as misses",
        layout="two folders",
        database=Subset(searched),
        queries=Subset(asked),
        truth=rows,
    )


def _truth(
    searched: FileImages, asked: FileImages, path: Path | None, metres: float, degrees: float
) -> tuple[str, Truth]:
    """What is right in words, and for each query."""
    within = f"within {metres:g} m"
    if path is None:
        return within, RadiusTruth(
            positions_in(asked.names, asked.root), positions_in(searched.names, searched.root), metres
        )
    if path.suffix == ".npy":
        rows = read_row_lists(path)
        largest = max((int(entry.max()) for entry in rows if len(entry)), default=0)
        if len(rows) != len(asked) or largest >= len(searched):
            raise DatasetError(
                f"{path} is for {len(rows)} queries and at least {largest + 1} database images, but the folders hold "
                f"{len(asked)} and {len(searched)}."
            )
        return f"as {path.name} lists", ListedTruth(rows)
    try:
        header, rows_read = read_records(read_text(path, "the ground truth"))
    except ValueError as error:
        raise DatasetError(f"{path}, {error}; correct the row.") from error
    columns = set(header)
    if {"query", "database"} <= columns:
        return f"as {path.name} lists", _pairs(path, rows_read, searched, asked)
    x, y, yaw = (next((column for column in choices if column in columns), None) for choices in (_X, _Y, _YAW))
    if "image" not in columns or x is None or y is None:
        raise DatasetError(
            f"{path} has the columns {', '.join(sorted(columns)) or 'none'}; positions need image, x and y, pairs need "
            "query and database."
        )
    wanted = [x, y, *([yaw] if yaw else [])]
    poses = {row["image"]: _numbers(path, number, row, wanted) for number, row in rows_read}
    theirs, ours = _posed(path, poses, asked), _posed(path, poses, searched)
    if not yaw:
        return within, RadiusTruth(theirs, ours, metres)
    headings = (theirs[:, 2], ours[:, 2])
    right = f"{within}, headings within {degrees:g}°"
    return right, RadiusTruth(theirs[:, :2], ours[:, :2], metres, headings, degrees)


def _numbers(path: Path, number: int, row: dict[str, str], columns: list[str]) -> list[float]:
    try:
        values = [float(row[column]) for column in columns]
    except ValueError:
        values = []
    # A position in metres beyond all measure would overflow where its square is taken.
    if not values or not all(abs(value) <= MAX_COORDINATE_M for value in values):
        raise DatasetError(
            f"{path}, line {number}, image {row['image']}: {', '.join(columns)} must be numbers; correct the row."
        )
    return values


def _posed(path: Path, poses: dict[str, list[float]], images: FileImages) -> NDArray[np.float64]:
    absent = [name for name in images.names if name not in poses and Path(name).name not in poses]
    if absent:
        raise DatasetError(
            f"{path} has no row for {absent[0]} ({len(absent)} images lack one); add them or move them away."
        )
    return np.array([poses[name] if name in poses else poses[Path(name).name] for name in images.names])


def _pairs(path: Path, table: list[tuple[int, dict[str, str]]], searched: FileImages, asked: FileImages) -> ListedTruth:
    rows: list[list[int]] = [[] for _ in asked.names]
    of_query = {name: row for row, name in enumerate(asked.names)}
    of_database = {name: row for row, name in enumerate(searched.names)}
    for number, pair in table:
        for name, known, images in ((pair["query"], of_query, asked), (pair["database"], of_database, searched)):
            if name not in known:
                raise DatasetError(
                    f"{path}, line {number}: there is no image {name} in {images.root}; correct the row."
                )
        rows[of_query[pair["query"]]].append(of_database[pair["database"]])
    return ListedTruth([np.array(entry, np.int64) for entry in rows])
