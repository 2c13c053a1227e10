"""GSV-Cities in its published layout: ``Dataframes/CITY.csv`` and ``Images/CITY/*.jpg``.

An image is named ``CITY_PLACE_YEAR_MONTH_BEARING_LAT_LON_PANOID.jpg`` with the place in seven digits, the year in
four, the month in two and the bearing in three; the panorama's id may itself hold underscores. Coordinates in names
and in tables differ in their last digits between copies of the set, and so do the suffixes, so images are found by
everything but those. Source: the README of github.com/amaralibey/gsv-cities.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from a2gc_ros.errors import DatasetError
from a2gc_training.data.tables import FileReader, ImageTable

COLUMNS = ("place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid")

_Key = tuple[int, int, int, int, str]


class _Record(NamedTuple):
    image: str
    city: str
    place: int
    year: int
    month: int
    lat: float
    lon: float


def read_gsv_cities(root: Path, cities: Sequence[str] = ()) -> ImageTable:
    """Reads the tables and finds their images.

    Args:
        root: The folder with ``Dataframes`` and ``Images``.
        cities: Those to read; empty reads all.

    Returns:
        A table with the columns ``city``, ``place`` (unique within a city), ``year``, ``month``, ``lat`` and ``lon``.

    Raises:
        DatasetError: A folder, table, column or image is missing, or a row is malformed.
    """
    tables, images = root / "Dataframes", root / "Images"
    for folder in (tables, images):
        if not folder.is_dir():
            raise DatasetError(
                f"GSV-Cities at {root} lacks the folder {folder.name}; "
                "give the folder that holds Dataframes and Images."
            )
    found = {path.stem: path for path in sorted(tables.glob("*.csv"))}
    if not found:
        raise DatasetError(f"GSV-Cities at {root} has no table in Dataframes; expected Dataframes/CITY.csv.")
    unknown = [city for city in cities if city not in found]
    if unknown:
        raise DatasetError(f"GSV-Cities at {root} has no city {unknown[0]!r}; Dataframes holds {', '.join(found)}.")
    records = [record for city in cities or found for record in _read_city(root, city, found[city])]
    columns = {name: np.array([getattr(record, name) for record in records]) for name in _Record._fields[1:]}
    columns |= {name: values.astype(np.float64) for name, values in columns.items() if name != "city"}
    return ImageTable(f"GSV-Cities at {root}", [record.image for record in records], FileReader(root), columns)


def _read_city(root: Path, city: str, table: Path) -> Iterator[_Record]:
    files = _index(root / "Images" / city)
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise DatasetError(
                f"The table {table} lacks the column {missing[0]!r}; download it anew, or restore its header "
                f"{','.join(COLUMNS)}."
            )
        for line, row in enumerate(reader, start=2):
            try:
                place, year, month = int(row["place_id"]), int(row["year"]), int(row["month"])
                name = files.get((place, year, month, int(row["northdeg"]), row["panoid"]))
                position = float(row["lat"]), float(row["lon"])
            except (TypeError, ValueError) as error:
                raise DatasetError(
                    f"The table {table}, line {line}, is malformed ({error}); download it anew."
                ) from error
            if name is None:
                raise DatasetError(
                    f"The table {table}, line {line}, names the panorama {row['panoid']!r} of place {place}, which is "
                    f"not in Images/{city}; unpack that city's images completely."
                )
            yield _Record(f"Images/{city}/{name}", city, place, year, month, *position)


def _index(folder: Path) -> dict[_Key, str]:
    """File names of a city by everything in them but coordinates and suffix."""
    if not folder.is_dir():
        raise DatasetError(f"The images of {folder.name} are missing: {folder} does not exist; unpack them there.")
    files: dict[_Key, str] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem = entry.name[:-4] if entry.name[-4:].lower() == ".jpg" else entry.name
            parts = stem.split("_", 7)
            if len(parts) == 8 and all(part.isdigit() for part in parts[1:5]):
                place, year, month, bearing = (int(part) for part in parts[1:5])
                files[(place, year, month, bearing, parts[7])] = entry.name
    return files
