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
from a2gc_training.data.bag_images import Taking, taken_images
from a2gc_training.data.paths import expanded
from a2gc_training.data.tables import FileReader, Filter, ImageTable
from a2gc_training.data.view_rule import PlaceRule, SharedView


@dataclass(frozen=True)
class BagsSource:
    """Recordings with poses; each is a session.

    The table has the columns ``session`` (the recording's name without suffix), ``time`` (seconds), ``x``, ``y`` and
    ``z`` (metres), ``yaw`` (radians, where the camera looks) and ``field_of_view`` (degrees).

    Attributes:
        bags: The recordings; ``~`` and environment variables are expanded.
        same: When two images show the same place. By default poses of different recordings do not compare, as
            odometry's do not; give a rule without ``session`` where they do.
        kind: ``bags``.
        image_topic: The camera; None takes the only one.
        pose_topic: Poses, such as true ones; None takes the best topic there is, mostly odometry.
        trajectories: Files of poses in place of a topic, one for each recording.
        metres: An image is taken when the robot has moved this far since the last one,
        degrees: or turned this far.
        longest_side: Longest side of a kept image, pixels.
        field_of_view: Horizontal field of view in degrees where a recording holds no calibration.
        camera_yaw: Degrees by which the camera looks to the left of where the robot drives; None takes the recorded
            transforms, and straight ahead where there are none.
        cache: Folder that the images are taken out into; None is one in the user's cache folder.
        only: Column to the values of which images are kept.
        without: Column to the values of which images are left out.
    """

    bags: tuple[str, ...]
    same: PlaceRule = field(default_factory=lambda: SharedView(metres=5.0, session="session"))
    kind: Literal["bags"] = "bags"
    image_topic: str | None = None
    pose_topic: str | None = None
    trajectories: tuple[str, ...] = ()
    metres: float = 0.5
    degrees: float = 15.0
    longest_side: int = 640
    field_of_view: float | None = None
    camera_yaw: float | None = None
    cache: str | None = None
    only: Filter = field(default_factory=dict)
    without: Filter = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.bags:
            raise ConfigError("bags is empty; name at least one recording.")
        if self.trajectories and len(self.trajectories) != len(self.bags):
            raise ConfigError(
                f"there are {len(self.trajectories)} trajectories for {len(self.bags)} bags; give one each."
            )
        if min(self.metres, self.degrees) < 0:
            raise ConfigError("metres and degrees cannot be negative.")
        if self.longest_side < 32:
            raise ConfigError("longest_side must be at least 32.")
        if self.field_of_view is not None and not 0 < self.field_of_view <= 360:
            raise ConfigError("field_of_view is in degrees, above 0 and at most 360.")


@dataclass(frozen=True)
class BagReader:
    """Reads images that were taken out of recordings.

    Attributes:
        folders: Folder of each session's images.
        bags: Recording of each session.
    """

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


def read_bags(source: BagsSource) -> ImageTable:
    """Reads recordings.

    Raises:
        BagError: A recording or file of poses cannot be read, or lacks a topic.
        DatasetError: No image of a recording has a pose, or nothing tells its field of view.
    """
    paths = [expanded(bag) for bag in source.bags]
    trajectories: list[str | None] = [str(expanded(file)) for file in source.trajectories] or [None] * len(paths)
    cache = cache_folder("bag_images") if source.cache is None else expanded(source.cache)
    folders: dict[str, Path] = {}
    names: list[str] = []
    values: dict[str, list[Any]] = {column: [] for column in ("session", "time", "x", "y", "z", "yaw", "field_of_view")}
    for session, path, trajectory in zip(_sessions(paths), paths, trajectories, strict=True):
        folders[session], rows = taken_images(path, _taking(source, trajectory), cache)
        names += [f"{session}/{row['file']}" for row in rows]
        values["session"] += [session] * len(rows)
        values["time"] += [int(row["stamp_ns"]) / 1e9 for row in rows]
        for column in ("x", "y", "z", "yaw", "field_of_view"):
            values[column] += [float(row[column]) for row in rows]
    name = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    reader = BagReader(folders, dict(zip(folders, paths, strict=True)))
    return ImageTable(name, names, reader, {column: np.array(entries) for column, entries in values.items()})


def _taking(source: BagsSource, trajectory: str | None) -> Taking:
    return Taking(
        source.image_topic,
        source.pose_topic,
        trajectory,
        source.metres,
        source.degrees,
        source.longest_side,
        source.field_of_view,
        source.camera_yaw,
    )


def _sessions(paths: list[Path]) -> list[str]:
    """A name for each recording: its own, with its folder's where two have the same."""
    count = Counter(path.stem for path in paths)
    names = [path.stem if count[path.stem] == 1 else f"{path.parent.name}/{path.stem}" for path in paths]
    if len(set(names)) < len(names):
        raise ConfigError(f"Two recordings are both named {Counter(names).most_common(1)[0][0]}; rename one.")
    return names
