"""Where a recipe's images come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from a2gc_ros.errors import ConfigError, DatasetError
from a2gc_ros.evaluation.datasets import gsv_folder
from a2gc_ros.models import own_code
from a2gc_training.data.bags import BagsSource, read_bags
from a2gc_training.data.folder import read_image_csv, read_place_folders
from a2gc_training.data.generated import GeneratedSource
from a2gc_training.data.gsv_cities import read_gsv_cities
from a2gc_training.data.paths import expanded
from a2gc_training.data.rules import Places, SameColumns
from a2gc_training.data.tables import Filter, ImageTable
from a2gc_training.data.view_rule import PlaceRule


@dataclass(frozen=True)
class FolderSource:
    """A folder with one folder per place.

    Attributes:
        root: The folder; ``~`` and environment variables are expanded.
        kind: ``folder``.
        only: Column to the values of which images are kept.
        without: Column to the values of which images are left out.
    """

    root: str
    kind: Literal["folder"] = "folder"
    only: Filter = field(default_factory=dict)
    without: Filter = field(default_factory=dict)


@dataclass(frozen=True)
class CsvSource:
    """A CSV with one image per row.

    Attributes:
        file: The CSV; ``~`` and environment variables are expanded.
        kind: ``csv``.
        root: The folder that paths are relative to; None is the CSV's own.
        path: The column that holds the path.
        same: When two images show the same place.
        only: Column to the values of which images are kept.
        without: Column to the values of which images are left out.
    """

    file: str
    kind: Literal["csv"] = "csv"
    root: str | None = None
    path: str = "path"
    same: PlaceRule = field(default_factory=SameColumns)
    only: Filter = field(default_factory=dict)
    without: Filter = field(default_factory=dict)


@dataclass(frozen=True)
class GsvCitiesSource:
    """GSV-Cities in its published layout.

    Attributes:
        root: The folder with ``Dataframes`` and ``Images``, or one of data sets that holds it under one of its usual
            names; ``~`` and environment variables are expanded.
        kind: ``gsv_cities``.
        cities: The cities to read; empty reads all.
        only: Column to the values of which images are kept.
        without: Column to the values of which images are left out.
    """

    root: str
    kind: Literal["gsv_cities"] = "gsv_cities"
    cities: tuple[str, ...] = ()
    only: Filter = field(default_factory=dict)
    without: Filter = field(default_factory=dict)


@dataclass(frozen=True)
class OwnSource:
    """A table of images that a function of your own makes.

    Attributes:
        code: Dotted path of the function, in a file beside the recipe or in the working folder; it returns an
            `ImageTable`.
        kind: ``own``.
        options: Its arguments.
        same: When two images show the same place.
        only: Column to the values of which images are kept.
        without: Column to the values of which images are left out.
    """

    code: str
    kind: Literal["own"] = "own"
    options: dict[str, Any] = field(default_factory=dict)
    same: PlaceRule = field(default_factory=SameColumns)
    only: Filter = field(default_factory=dict)
    without: Filter = field(default_factory=dict)


Source = FolderSource | CsvSource | GsvCitiesSource | BagsSource | GeneratedSource | OwnSource


def load_table(source: Source) -> ImageTable:
    """Reads a source's table of images.

    Args:
        source: The source.

    Returns:
        Its images after the filters.

    Raises:
        DatasetError: The data set is damaged or incomplete, or the filters leave nothing.
        BagError: A recording cannot be read.
        ConfigError: A filter names a value that does not occur.
    """
    if isinstance(source, GeneratedSource):
        return source.table()
    if isinstance(source, FolderSource):
        table = read_place_folders(expanded(source.root))
    elif isinstance(source, CsvSource):
        root = None if source.root is None else expanded(source.root)
        table = read_image_csv(expanded(source.file), root, source.path)
    elif isinstance(source, BagsSource):
        table = read_bags(source)
    elif isinstance(source, OwnSource):
        table = _own_table(source)
    else:
        root = expanded(source.root)
        table = read_gsv_cities(gsv_folder.find(root) or root, source.cities)
    return _filtered(table, source.only, source.without)


def _own_table(source: OwnSource) -> ImageTable:
    try:
        table = own_code.declare(source.code)(**source.options)
    except TypeError as error:
        raise ConfigError(f"{source.code} does not take {dict(source.options)}: {error}.") from error
    if not isinstance(table, ImageTable):
        raise ConfigError(f"{source.code} gives a {type(table).__name__}; it must return an ImageTable.")
    return table


def places_of(source: Source, table: ImageTable) -> Places:
    """The places of a source's table."""
    if isinstance(source, CsvSource | BagsSource | OwnSource):
        return source.same.places(table)
    if isinstance(source, GsvCitiesSource):
        return SameColumns(columns=("city", "place")).places(table)
    return SameColumns().places(table)


def _filtered(table: ImageTable, only: Mapping[str, Any], without: Mapping[str, Any]) -> ImageTable:
    if not only and not without:
        return table
    keep = table.matching(only)
    # Taken one by one: an image goes when any of its columns says so.
    for name, values in without.items():
        keep &= ~table.matching({name: values})
    rows = np.flatnonzero(keep).astype(np.int64)
    if not len(rows):
        raise DatasetError(f"{table.name} has no image left after the recipe's `only` and `without`; relax them.")
    return table.take(rows)
