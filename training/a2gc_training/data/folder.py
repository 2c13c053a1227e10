"""Any folder of places: a folder per place, or a CSV with a path per image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from a2gc_ros.delimited import read_records
from a2gc_ros.errors import DatasetError
from a2gc_ros.images.decode import image_files
from a2gc_training.data.tables import FileReader, ImageTable, typed_column


def read_place_folders(root: Path) -> ImageTable:
    """Reads a folder that holds one folder per place, at any depth.

    Returns:
        A table with the columns ``place`` (the folder relative to ``root``) and ``group`` (that folder's parent, or
        an empty text), images in order of their names.

    Raises:
        DatasetError: The folder is missing, holds no image, or holds images that lie in no place's folder.
    """
    if not root.is_dir():
        raise DatasetError(f"The folder of places {root} does not exist; check the recipe's `root`.")
    paths = image_files(root)
    if not paths:
        raise DatasetError(f"The folder of places {root} holds no image; expected {root}/PLACE/IMAGE.jpg.")
    names = [path.relative_to(root) for path in paths]
    for name in names:
        if name.parent == Path():
            raise DatasetError(f"The image {root / name} lies in no place's folder; move it into {root}/PLACE/.")
    columns = {
        "place": np.array([name.parent.as_posix() for name in names]),
        "group": np.array([name.parent.parent.as_posix().removeprefix(".") for name in names]),
    }
    return ImageTable(str(root), [name.as_posix() for name in names], FileReader(root), columns)


def read_image_csv(file: Path, root: Path | None = None, path_column: str = "path") -> ImageTable:
    """Reads a CSV with one image per row.

    Args:
        file: The CSV, with a header.
        root: The folder that paths are relative to; None is the CSV's own.
        path_column: The column that holds the path.

    Returns:
        A table with all other columns, numbers where a whole column is numbers.

    Raises:
        DatasetError: The file is missing, has no such column, is ragged, or names an image that is not there.
    """
    root = file.parent if root is None else root
    try:
        header, rows = read_records(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"The image list {file} cannot be read ({error}); check the path.") from error
    if path_column not in header:
        raise DatasetError(
            f"The image list {file} has no column {path_column!r}; its header is {','.join(header) or 'empty'}."
        )
    if not rows:
        raise DatasetError(f"The image list {file} has a header but no rows; add one row per image.")
    for number, row in rows:
        if not (root / row[path_column]).is_file():
            raise DatasetError(
                f"The image list {file}, line {number}, names {row[path_column]!r}, which is not in {root}; "
                "correct the path or give the right `root`."
            )
    columns = {name: typed_column([row[name] for _, row in rows]) for name in header if name != path_column}
    return ImageTable(str(file), [row[path_column] for _, row in rows], FileReader(root), columns)
