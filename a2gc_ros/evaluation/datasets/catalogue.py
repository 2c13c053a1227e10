"""Benchmarks by name: what each asks, where it comes from, and in which layouts it may lie on disk."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from a2gc_ros.errors import ConfigError, DatasetError
from a2gc_ros.evaluation.dataset import Dataset
from a2gc_ros.evaluation.datasets.frame_pairs import FramePairs
from a2gc_ros.evaluation.datasets.layout import DatasetLayout, first_of
from a2gc_ros.evaluation.datasets.msls import MslsTree
from a2gc_ros.evaluation.datasets.npy_lists import NpyLists
from a2gc_ros.evaluation.datasets.utm_folders import UtmFolders
from a2gc_ros.evaluation.images import FileImages
from a2gc_ros.plugins import Registry

_KINDS: dict[str, type[Any]] = {
    "utm_folders": UtmFolders,
    "npy_lists": NpyLists,
    "frame_pairs": FramePairs,
    "msls_tree": MslsTree,
}


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A named protocol.

    Attributes:
        name: Its name, with the protocol in it where one data set has several.
        title: What it is, in a few words.
        queries: How many the published set has; None where no count was found.
        database: The same for the database.
        source: Where to get it.
        terms: Under which terms.
        layouts: Ways in which it may lie on disk, the first complete one is taken.
    """

    name: str
    title: str
    queries: int | None
    database: int | None
    source: str
    terms: str
    layouts: tuple[DatasetLayout, ...]

    def found(self, root: Path) -> DatasetLayout | None:
        """The first layout whose files are all there."""
        return next((layout for layout in self.layouts if not layout.missing(root)), None)

    def open(self, root: Path) -> Dataset:
        """Reads it from below a root.

        Raises:
            DatasetError: No layout is complete, or the one that is there is damaged.
        """
        layout = self.found(root)
        if layout is None:
            raise DatasetError(
                f"{self.name} is not complete below {root}: {first_of(nearest_missing(self, root))} missing; see "
                f"`a2gc datasets check {self.name} --data-root {root}`."
            )
        dataset = layout.open(root, self.name)
        return dataclasses.replace(dataset, differs=self._difference(dataset))

    def _difference(self, dataset: Dataset) -> str | None:
        """What is not as published, or None."""
        counts = ("queries", dataset.asked, self.queries), ("database images", len(dataset.database), self.database)
        other = [f"{have} {what} where {want} are published" for what, have, want in counts if want not in (None, have)]
        return f"{self.name} has {' and '.join(other)}" if other else None


@functools.cache
def benchmarks() -> Registry[Benchmark]:
    """All named protocols, by name: ours, and those of installed packages."""
    text = Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = yaml.safe_load(text)["benchmarks"]
    return Registry(
        "datasets",
        "data set",
        DatasetError,
        {name: _benchmark(name, entry) for name, entry in entries.items()},
        fits=lambda found: isinstance(found, Benchmark),
        kind="a Benchmark of a2gc_ros.evaluation.datasets.catalogue",
    )


def benchmark(name: str) -> Benchmark:
    """A named protocol; raises ConfigError that names the nearest."""
    known = benchmarks()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "`a2gc datasets list` shows all."
        raise ConfigError(f"There is no data set {name}; {hint}")
    return known[name]


def _benchmark(name: str, entry: dict[str, Any]) -> Benchmark:
    layouts = tuple(_layout(**layout) for layout in entry["layouts"])
    return Benchmark(**{"queries": None, "database": None, **entry, "name": name, "layouts": layouts})


def _layout(kind: str, **options: Any) -> DatasetLayout:
    fitting = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    layout: DatasetLayout = _KINDS[kind](**fitting)
    return layout


@dataclasses.dataclass(frozen=True)
class DatasetCheck:
    """What `a2gc datasets check` found.

    Attributes:
        layout: The layout that was taken, or None.
        queries: How many there are.
        database: How many there are.
        missing: What is not there: files and folders of the nearest layout, or images.
        problem: A sentence about damage or other sizes, or None.
    """

    layout: str | None
    queries: int | None
    database: int | None
    missing: Sequence[str]
    problem: str | None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing and nothing damaged; other sizes than published are allowed."""
        return self.layout is not None and not self.missing


def nearest_missing(entry: Benchmark, root: Path) -> list[str]:
    """What is not there of the layout of which the most is there."""
    return min(entry.layouts, key=lambda one: len(one.missing(root)) / len(one.expects())).missing(root)


def inspect(entry: Benchmark, root: Path) -> DatasetCheck:
    """Looks at what lies below a root, without opening an image."""
    layout = entry.found(root)
    if layout is None:
        return DatasetCheck(None, None, None, nearest_missing(entry, root), None)
    try:
        dataset = entry.open(root)
    except DatasetError as error:
        return DatasetCheck(layout.title, None, None, [str(error)], str(error))
    absent = [
        str(images.root / name)
        for images in (dataset.database.images, dataset.queries.images)
        if isinstance(images, FileImages)
        for name in images.missing()
    ]
    return DatasetCheck(layout.title, dataset.asked, len(dataset.database), absent, dataset.differs)
