"""From a path to the storage that lies there: ROS's own formats, and those that installed packages read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from a2gc_ros.bags.rosbag import Rosbag
from a2gc_ros.bags.storage import Storage
from a2gc_ros.errors import BagError
from a2gc_ros.plugins import Registry, is_class_of

FORMATS: Final[Registry[Callable[[Path], Storage]]] = Registry(
    "bag_formats",
    "bag format",
    BagError,
    {"bag": Rosbag, "mcap": Rosbag, "db3": Rosbag},
    fits=is_class_of(Storage),
    kind="a class derived from a2gc_ros.bags.storage.Storage",
)
"""By the suffix of a file or folder, without the dot."""


def open_storage(path: str | Path) -> Storage:
    """Opens a recording's storage, of whatever :func:`a2gc_ros.bags.recording.open_recording` takes.

    Raises:
        BagError: If there is no recording or it is damaged, or two packages claim its suffix.
    """
    path = Path(path)
    if not path.exists():
        raise BagError(f"there is no recording at {path}")
    suffix = path.suffix.removeprefix(".")
    return FORMATS.get(suffix, Rosbag)(path)


def is_recording(path: Path) -> bool:
    """Whether a path is a file, a recording's folder, or a folder that holds recordings in place of images."""
    suffixes = {f".{name}" for name in FORMATS}
    return path.is_file() or path.suffix in suffixes or any(file.suffix in suffixes for file in path.glob("*"))
