"""Where GSV-Cities, which models are trained on, lies below a folder of data sets, and what of it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from a2gc_ros.evaluation.datasets.layout import first_folder

NAME = "gsv_cities"
FOLDERS = ("GSVCities", "GSV-Cities", "gsv_cities", "gsv-cities", "train/gsv-cities", "train/gsv-cities-light")
"""What those who publish trainings call its folder."""

SOURCE = "https://github.com/amaralibey/gsv-cities, or the scripts of https://github.com/amaralibey/OpenVPRLab"
TERMS = "as its publisher states there"


@dataclass(frozen=True)
class FolderCheck:
    """What is there.

    Attributes:
        folder: The folder with ``Dataframes`` and ``Images``; None where there is none.
        cities: Cities with a table and a folder of images.
        missing: What is not there.
    """

    folder: Path | None
    cities: tuple[str, ...]
    missing: tuple[str, ...]


def find(root: Path) -> Path | None:
    """The folder that holds ``Dataframes``: the root itself, or one of `FOLDERS` below it."""
    return root if (root / "Dataframes").is_dir() else first_folder(root, FOLDERS, "Dataframes")


def inspect(root: Path) -> FolderCheck:
    """Looks at the folders, not at the images."""
    folder = find(root)
    if folder is None:
        return FolderCheck(None, (), (f"Dataframes/ and Images/ in {' or '.join(FOLDERS)}",))
    cities = sorted(path.stem for path in (folder / "Dataframes").glob("*.csv"))
    absent = tuple(f"{folder}/Images/{city}/" for city in cities if not (folder / "Images" / city).is_dir())
    there = tuple(city for city in cities if (folder / "Images" / city).is_dir())
    return FolderCheck(folder, there, absent if cities else (f"{folder}/Dataframes/CITY.csv",))
