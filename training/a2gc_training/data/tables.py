"""A table of images: where each is read from, and what is known about it."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError, DatasetError, ImageError
from a2gc_ros.images.decode import read_image

Filter = dict[str, tuple[Any, ...]]
"""Column to the values of which images are meant."""


class ImageReader(Protocol):
    """Gives the image of a name."""

    def read(self, name: str) -> NDArray[np.uint8]:
        """Returns uint8 (H, W, 3), RGB; raises DatasetError when there is none."""

    def identity(self, name: str) -> str:
        """A text equal for two names, of any reader, exactly when they mean the same image."""

    def mark(self, name: str) -> int:
        """A number from 0, below 2^63, that differs once the image is replaced by another, and is cheap to know."""


@functools.lru_cache(maxsize=64)
def _real(folder: Path) -> str:
    return str(folder.resolve())


@dataclass(frozen=True)
class FileReader:
    """Reads image files below a folder."""

    root: Path

    def read(self, name: str) -> NDArray[np.uint8]:
        """Reads ``root/name``; raises DatasetError when the file is missing or damaged."""
        try:
            return read_image(self.root / name)
        except (ImageError, OSError) as error:
            raise DatasetError(f"{error} Replace the file or take it out of the data set.") from error

    def identity(self, name: str) -> str:
        """The file's absolute path."""
        return os.path.normpath(os.path.join(_real(self.root), name))  # noqa: PTH118

    def mark(self, name: str) -> int:
        """From the file's size and time of change; raises DatasetError when it is missing."""
        try:
            found = (self.root / name).stat()
        except OSError as error:
            raise DatasetError(f"{self.root / name} cannot be read ({error.strerror}); restore the file.") from error
        return (found.st_mtime_ns ^ found.st_size << 20) % 2**63


@dataclass(frozen=True)
class ImageTable:
    """Images and their columns.

    Attributes:
        name: What the table is called in messages.
        images: Name of each image, for the reader.
        reader: Gives the pixels of a name.
        columns: Per image; text, or float64 where every entry is a number.
    """

    name: str
    images: Sequence[str]
    reader: ImageReader
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, row: int) -> NDArray[np.uint8]:
        """The image of a row, uint8 (H, W, 3), RGB."""
        return self.reader.read(self.images[row])

    def column(self, name: str) -> NDArray[Any]:
        """A column by name; raises DatasetError that lists the columns there are."""
        if name not in self.columns:
            known = ", ".join(sorted(self.columns)) or "none"
            raise DatasetError(f"{self.name} has no column {name!r}; its columns are {known}.")
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of finite numbers; raises DatasetError that names the first row that is none."""
        values = self.column(name)
        if values.dtype.kind == "f" and np.isfinite(values).all():
            return values
        for row, value in enumerate(values):
            try:
                finite = np.isfinite(float(value))
            except ValueError:
                finite = False
            if not finite:
                raise DatasetError(
                    f"{self.name}, {self.images[row]}: {name} is {str(value)!r}; it must be a finite number."
                )
        return values.astype(np.float64)

    def codes(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Rows that agree in all the named columns get the same number, counted from 0 in order of value."""
        code = np.zeros(len(self), np.int64)
        for name in names:
            _, inverse = np.unique(self.column(name), return_inverse=True)
            code = code * (int(inverse.max(initial=0)) + 1) + inverse
            code = np.unique(code, return_inverse=True)[1].astype(np.int64)
        return code

    def take(self, rows: NDArray[np.int64]) -> ImageTable:
        """The table of some of the rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, images=[self.images[row] for row in rows], columns=columns)

    def matching(self, wanted: Mapping[str, Sequence[Any]]) -> NDArray[np.bool_]:
        """Rows whose columns hold one of the wanted values, compared as text, in every column named.

        Raises:
            DatasetError: There is no such column.
            ConfigError: A wanted value occurs nowhere in its column, which is most likely a slip.
        """
        mask = np.ones(len(self), bool)
        for name, values in wanted.items():
            column = self.column(name)
            texts = np.array([_text(value) for value in column])
            for value in values:
                if not (texts == _text(value)).any():
                    seen = sorted(set(texts.tolist()))
                    shown = ", ".join(seen[:12]) + (", …" if len(seen) > 12 else "")
                    raise ConfigError(f"{self.name} has no {name} {value!r}; there are {shown}.")
            mask &= np.isin(texts, [_text(value) for value in values])
        return mask


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which images of a table are used; every source that is read may have one.

    Attributes:
        only: Column to the values of which images are kept.
        without: Column to the values of which images are left out.
    """

    only: Filter = field(default_factory=dict)
    without: Filter = field(default_factory=dict)

    def select(self, table: ImageTable) -> ImageTable:
        """The images that are used; raises DatasetError where none is left, ConfigError for a value that is nowhere."""
        if not self.only and not self.without:
            return table
        keep = table.matching(self.only)
        # Taken one by one: an image goes when any of its columns says so.
        for name, values in self.without.items():
            keep &= ~table.matching({name: values})
        if not keep.any():
            raise DatasetError(f"{table.name} has no image left after the recipe's `only` and `without`; relax them.")
        return table.take(np.flatnonzero(keep).astype(np.int64))


def _text(value: Any) -> str:
    """A value as text; 3.0 and 3 are the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def typed_column(values: Sequence[str]) -> NDArray[Any]:
    """A column of float64 where every text is a number, else of text."""
    try:
        return np.array([float(value) for value in values], np.float64)
    except ValueError:
        return np.array(values)
