"""Where a recipe's images come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.datasets import gsv_folder
from a2gc_ros.models import own_code
from a2gc_training.config import expanded
from a2gc_training.data.bags import BagsSource
from a2gc_training.data.folder import read_image_csv, read_place_folders
from a2gc_training.data.generated import GeneratedSource
from a2gc_training.data.gsv_cities import read_gsv_cities
from a2gc_training.data.rules import SameColumns
from a2gc_training.data.tables import ImageTable, Selection
from a2gc_training.data.view_rule import PlaceRule


@dataclass(frozen=True)
class FolderSource(Selection):
    """A folder, `root`, with one folder per place; ``~`` and environment variables are expanded."""

    same: ClassVar[PlaceRule] = SameColumns()
    root: str
    kind: Literal["folder"] = "folder"

    def table(self) -> ImageTable:
        """All of its images."""
        return read_place_folders(expanded(self.root))


@dataclass(frozen=True)
class CsvSource(Selection):
    """A CSV with one image per row.

    Attributes:
        file: The CSV; ``~`` and environment variables are expanded.
        root: The folder that paths are relative to; None is the CSV's own.
        path: The column that holds the path.
        same: When two images show the same place.
    """

    file: str
    kind: Literal["csv"] = "csv"
    root: str | None = None
    path: str = "path"
    same: PlaceRule = field(default_factory=SameColumns)

    def table(self) -> ImageTable:
        """All of its images."""
        root = None if self.root is None else expanded(self.root)
        return read_image_csv(expanded(self.file), root, self.path)


@dataclass(frozen=True)
class GsvCitiesSource(Selection):
    """GSV-Cities in its published layout.

    Attributes:
        root: The folder with ``Dataframes`` and ``Images``, or one of data sets that holds it under one of its usual
            names; ``~`` and environment variables are expanded.
        cities: The cities to read; empty reads all.
    """

    same: ClassVar[PlaceRule] = SameColumns(columns=("city", "place"))
    root: str
    kind: Literal["gsv_cities"] = "gsv_cities"
    cities: tuple[str, ...] = ()

    def table(self) -> ImageTable:
        """All of its images."""
        root = expanded(self.root)
        return read_gsv_cities(gsv_folder.find(root) or root, self.cities)


@dataclass(frozen=True)
class OwnSource(Selection):
    """A table of images that a function of your own makes.

    Attributes:
        code: Dotted path of the function, in a file beside the recipe or in the working folder; it returns an
            `ImageTable`.
        options: Its arguments.
        same: When two images show the same place.
    """

    code: str
    kind: Literal["own"] = "own"
    options: dict[str, Any] = field(default_factory=dict)
    same: PlaceRule = field(default_factory=SameColumns)

    def table(self) -> ImageTable:
        """What the function makes; raises ConfigError where it is none, or does not take the options."""
        try:
            table = own_code.declare(self.code)(**self.options)
        except TypeError as error:
            raise ConfigError(f"{self.code} does not take {dict(self.options)}: {error}.") from error
        if not isinstance(table, ImageTable):
            raise ConfigError(f"{self.code} gives a {type(table).__name__}; it must return an ImageTable.")
        return table


Source = FolderSource | CsvSource | GsvCitiesSource | BagsSource | GeneratedSource | OwnSource


def load_table(source: Source) -> ImageTable:
    """Reads a source's images, those that its filters leave.

    Raises:
        DatasetError: The data set is damaged or incomplete, or the filters leave nothing.
        BagError: A recording cannot be read.
        ConfigError: A filter names a value that does not occur.
    """
    table = source.table()
    return source.select(table) if isinstance(source, Selection) else table
