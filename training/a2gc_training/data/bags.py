"""Recordings with poses as a table of images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError
from a2gc_ros.system.folders import cache_folder
from a2gc_training.config import expanded, require
from a2gc_training.data.bag_images import MEASURED, Taking, taken_images
from a2gc_training.data.tables import FileReader, ImageTable, Selection
from a2gc_training.data.view_rule import PlaceRule, SharedView


@dataclass(frozen=True)
class BagsSource(Taking, Selection):
    """Recordings with poses; each is a session.

    The table has the columns ``session`` (the recording's name without suffix), ``time`` (seconds), ``x``, ``y`` and
    ``z`` (metres), ``yaw`` (radians, where the camera looks) and ``field_of_view`` (degrees).

    Attributes:
        bags: The recordings; ``~`` and environment variables are expanded.
        same: When two images show the same place. By default poses of different recordings do not compare, as
            odometry's do not; give a rule without ``session`` where they do.
        trajectories: Files of poses in place of a topic, one for each recording.
        cache: Folder that the images are taken out into; None is one in the user's cache folder.
    """

    bags: tuple[str, ...]
    same: PlaceRule = field(default_factory=lambda: SharedView(metres=5.0, session="session"))
    kind: Literal["bags"] = "bags"
    trajectories: tuple[str, ...] = ()
    cache: str | None = None

    def __post_init__(self) -> None:
        require(bool(self.bags), "bags is empty; name at least one recording.")
        given, wanted = len(self.trajectories), len(self.bags)
        require(given in (0, wanted), f"there are {given} trajectories for {wanted} bags; give one each.")
        super().__post_init__()

    def table(self) -> ImageTable:
        """All images that are taken.

        Raises:
            BagError: A recording or file of poses cannot be read, or lacks a topic.
            DatasetError: No image of a recording has a pose, or nothing tells its field of view.
        """
        paths = [expanded(bag) for bag in self.bags]
        trajectories: list[Path | None] = [*map(expanded, self.trajectories)] or [None] * len(paths)
        cache = cache_folder("bag_images") if self.cache is None else expanded(self.cache)
        reader = BagReader({}, {})
        names: list[str] = []
        columns: dict[str, list[Any]] = {name: [] for name in ("session", "time", *MEASURED)}
        for session, path, trajectory in zip(_sessions(paths), paths, trajectories, strict=True):
            reader.folders[session], rows = taken_images(path, self, trajectory, cache)
            reader.bags[session] = path
            names += [f"{session}/{row['file']}" for row in rows]
            columns["session"] += [session] * len(rows)
            columns["time"] += [int(row["stamp_ns"]) / 1e9 for row in rows]
            for name in MEASURED:
                columns[name] += [float(row[name]) for row in rows]
        name = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
        return ImageTable(name, names, reader, {name: np.array(values) for name, values in columns.items()})


@dataclass(frozen=True)
class BagReader:
    """Reads images that were taken out of recordings: by session, the folder of its images, and the recording."""

    folders: dict[str, Path]
    bags: dict[str, Path]

    def read(self, name: str) -> NDArray[np.uint8]:
        """Reads ``SESSION/STAMP.jpg``; raises DatasetError when it is gone from the cache."""
        session, _, file = name.rpartition("/")
        return FileReader(self.folders[session]).read(file)

    def identity(self, name: str) -> str:
        """The recording and the stamp, however the image was taken out."""
        session, _, file = name.rpartition("/")
        return f"{self.bags[session].resolve()} {Path(file).stem}"

    def mark(self, name: str) -> int:
        """From the folder's name, which changes with the recording and with what is taken out of it."""
        return int(self.folders[name.rpartition("/")[0]].name[-15:], 16)


def _sessions(paths: list[Path]) -> list[str]:
    """A name for each recording: its own, with its folder's where two have the same."""
    count = Counter(path.stem for path in paths)
    names = [path.stem if count[path.stem] == 1 else f"{path.parent.name}/{path.stem}" for path in paths]
    if len(set(names)) < len(names):
        raise ConfigError(f"Two recordings are both named {Counter(names).most_common(1)[0][0]}; rename one.")
    return names
