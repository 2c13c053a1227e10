"""What a reader of a published layout offers, and the helpers they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.dataset import Dataset


class DatasetLayout(Protocol):
    """One way in which a data set lies on disk, below the folder that ``--data-root`` names."""

    @property
    def title(self) -> str:
        """Whose layout this is, for people."""

    def expects(self) -> Sequence[str]:
        """Files and folders that must be there, relative to the root, for people."""

    def missing(self, root: Path) -> list[str]:
        """Those of them that are not there."""

    def open(self, root: Path, name: str) -> Dataset:
        """Reads lists, positions and ground truth; no image is opened.

        Raises:
            DatasetError: Something is missing or damaged; the sentence names the file and what to do.
        """


SIBLINGS = ("data", "datasets")
"""Folders that the public trainings keep images and lists in, side by side or the first beside the program's."""


def bases(root: Path) -> list[Path]:
    """Where to look for what lies below a root: there, in `SIBLINGS` below it, and beside it where it is one of them.

    So a root may be the folder of data sets, the one that holds ``data`` and ``datasets``, either of these, or a
    program's folder with ``datasets`` in it and ``data`` beside it.
    """
    found = [root, *(root / name for name in SIBLINGS)]
    if root.name in SIBLINGS or (root / "datasets").is_dir():
        beside = root.resolve().parent
        found += [beside, *(beside / name for name in SIBLINGS)]
    return found


def first_folder(root: Path, choices: Sequence[str], inside: str = "") -> Path | None:
    """The first of some folders below a root, or one of its `bases`, that is there and holds ``inside``."""
    places = (base / choice for base in bases(root) for choice in choices)
    return next((place for place in places if (place / inside).exists()), None)


def first_of(paths: Sequence[str]) -> str:
    """Names the first of some files and says how many more there are; empty where there is none."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else ""


def read_text(path: Path, name: str) -> str:
    """Reads a text file; raises DatasetError that names it."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DatasetError(f"{name} needs {path}, which cannot be read ({reason}); fetch that file again.") from None
