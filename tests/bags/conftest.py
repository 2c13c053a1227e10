"""Small recordings, and settings for property tests: no deadlines, since machines differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from rosbags.rosbag2 import StoragePlugin, Writer

from a2gc_ros.bags.storage import typestore
from a2gc_ros.bags.writer import RecordingWriter
from a2gc_ros.geometry import Pose, pose_from_quaternion
from a2gc_ros.images.frame import CameraIntrinsics

settings.register_profile("a2gc", deadline=None)
settings.load_profile("a2gc")


class Scene:
    """A small run of a robot whose images, poses and calibration are known in closed form.

    Args:
        folder: Where its recordings are written.
    """

    count = 6
    period_ns = 100_000_000
    start_ns = 1_700_000_000_123_456_789
    intrinsics = CameraIntrinsics(
        32, 24, np.array([[20.0, 0, 15.5], [0, 21.0, 11.5], [0, 0, 1]]), np.array([-0.1, 0.01, 0.001, -0.002, 0.0])
    )
    mounted = pose_from_quaternion((0.2, 0, 0.5), (-0.5, 0.5, -0.5, 0.5))

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stamp(self, i: float) -> int:
        """Stamp of the i-th image."""
        return self.start_ns + round(i * self.period_ns)

    def picture(self, i: int) -> np.ndarray:
        """A smooth picture that differs from image to image, uint8 (24, 32, 3)."""
        y, x = np.mgrid[0:24, 0:32]
        return np.dstack([x * 8, y * 10, np.full_like(x, 30 * i)]).astype(np.uint8)

    def pose(self, i: float) -> Pose:
        """A robot that slides at constant velocity while it turns at a constant rate."""
        angle = 0.3 * i
        return pose_from_quaternion((1.5 * i, -0.5 * i, 0.1 * i), (0, 0, np.sin(angle / 2), np.cos(angle / 2)))

    def write(self, name: str = "run.mcap", *, jpeg_quality: int | None = None, compress: bool = False) -> Path:
        """Writes the run; odometry and transforms lie half a period off the images."""
        path = self.folder / name
        with RecordingWriter(path, compress=compress) as writer:
            writer.add_transform(self.stamp(-1), self.mounted, parent="base_link", child="camera", static=True)
            for i in range(self.count + 1):
                between, t_odom_base = self.stamp(i - 0.5), self.pose(i - 0.5)
                writer.add_odometry(between, t_odom_base)
                writer.add_transform(between, t_odom_base, parent="odom", child="base_link")
                if i < self.count:
                    writer.add_image(self.stamp(i), self.picture(i), jpeg_quality=jpeg_quality)
                    writer.add_camera_info(self.stamp(i), self.intrinsics)
                    writer.add_pose(self.stamp(i), self.pose(i))
        return path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


class MessageWriter:
    """Writes messages with any content, also wrong ones, to a rosbag2 folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = typestore(2)
        self.writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
        self.connections: dict[str, Any] = {}

    def __enter__(self) -> MessageWriter:
        self.writer.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def new(self, msgtype: str, **fields: Any) -> Any:
        return self.store.types[msgtype](**fields)

    def header(self, stamp_ns: int, frame_id: str = "camera") -> Any:
        sec, nanosec = divmod(stamp_ns, 10**9)
        return self.new(
            "std_msgs/msg/Header",
            stamp=self.new("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec),
            frame_id=frame_id,
        )

    def raw(self, topic: str, msgtype: str, stamp_ns: int, data: bytes) -> None:
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, msgtype, typestore=self.store)
        self.writer.write(self.connections[topic], stamp_ns, data)

    def message(self, topic: str, msgtype: str, stamp_ns: int, **fields: Any) -> None:
        self.raw(topic, msgtype, stamp_ns, bytes(self.store.serialize_cdr(self.new(msgtype, **fields), msgtype)))

    def image(self, receipt_ns: int, header_ns: int | None = None, topic: str = "/image", **changes: Any) -> None:
        """Adds an image of 32x24 rgb8 with any of its fields changed."""
        fields = {
            "header": self.header(receipt_ns if header_ns is None else header_ns),
            "height": 24,
            "width": 32,
            "encoding": "rgb8",
            "is_bigendian": 0,
            "step": 96,
            "data": np.arange(24 * 96, dtype=np.uint32).astype(np.uint8),
            **changes,
        }
        self.message(topic, "sensor_msgs/msg/Image", receipt_ns, **fields)


@pytest.fixture
def message_writer(tmp_path: Path) -> MessageWriter:
    return MessageWriter(tmp_path / "messages")
