"""A bag format: folders as ETH's ASL publishes EuRoC and TUM VI, under a name that ends in ``.asl``.

``mav0/cam0/data.csv`` lists stamps in nanoseconds and files of ``mav0/cam0/data``; ``mav0/state_groundtruth_estimate0``
holds poses: stamp, x, y, z in metres, then the quaternion w, x, y, z.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from a2gc_ros.bags.storage import RawMessage, Storage, Topic, typestore
from a2gc_ros.errors import BagError

IMAGES, IMAGE_TYPE = "/cam0/image_raw/compressed", "sensor_msgs/msg/CompressedImage"
POSES, POSE_TYPE = "/ground_truth", "geometry_msgs/msg/PoseStamped"


class AslFolder(Storage):
    """The first camera's images and the true poses.

    Args:
        path: The folder that holds ``mav0``.

    Raises:
        BagError: A table is not there or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._images = path / "mav0" / "cam0" / "data"
        images = _rows(path / "mav0" / "cam0" / "data.csv", 2)
        poses = _rows(path / "mav0" / "state_groundtruth_estimate0" / "data.csv", 8)
        rows = [(stamp, IMAGES, values) for stamp, values in images] + [(stamp, POSES, v) for stamp, v in poses]
        self._rows = sorted(rows, key=lambda row: row[0])
        self.topics = (Topic(IMAGES, IMAGE_TYPE, len(images)), Topic(POSES, POSE_TYPE, len(poses)))
        self.start_ns, self.end_ns = (self._rows[0][0], self._rows[-1][0]) if self._rows else (0, 0)

    def close(self) -> None:
        """Nothing is held open."""

    def messages(
        self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Streams messages in the order of their stamps, which are taken for the time of receipt."""
        for stamp_ns, topic, values in self._rows:
            if (start_ns is not None and stamp_ns < start_ns) or (stop_ns is not None and stamp_ns >= stop_ns):
                continue
            if topics is not None and topic not in topics:
                continue
            message = self._image(stamp_ns, values) if topic == IMAGES else _pose(stamp_ns, values)
            kind = str(message.__msgtype__)
            yield RawMessage(topic, kind, stamp_ns, typestore(2).serialize_cdr(message, kind))

    def _image(self, stamp_ns: int, values: list[str]) -> Any:
        file = self._images / Path(values[0].strip()).name
        try:
            data = np.fromfile(file, np.uint8)
        except OSError as error:
            raise BagError(f"{file} cannot be read ({error.strerror}); copy the whole folder again") from None
        return _type(IMAGE_TYPE)(header=_header(stamp_ns, "cam0"), format=file.suffix[1:], data=data)


def _pose(stamp_ns: int, values: list[str]) -> Any:
    x, y, z, qw, qx, qy, qz = (float(value) for value in values[:7])
    pose = _type("geometry_msgs/msg/Pose")(
        position=_type("geometry_msgs/msg/Point")(x=x, y=y, z=z),
        orientation=_type("geometry_msgs/msg/Quaternion")(x=qx, y=qy, z=qz, w=qw),
    )
    return _type(POSE_TYPE)(header=_header(stamp_ns, "world"), pose=pose)


def _header(stamp_ns: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    stamp = _type("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
    return _type("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)


def _type(name: str) -> Any:
    return typestore(2).types[name]


def _rows(table: Path, columns: int) -> list[tuple[int, list[str]]]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
        if any(len(row) < columns for row in rows):
            raise ValueError(f"a row has fewer than {columns} columns")
        return [(int(row[0]), row[1:]) for row in rows]
    except OSError as error:
        raise BagError(f"{table} cannot be read ({error.strerror}); an .asl folder holds mav0 with it") from None
    except ValueError as error:
        raise BagError(f"{table} is damaged ({error}); unpack the folder again") from None
