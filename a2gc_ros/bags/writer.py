"""Writes recordings: images, calibration, odometry and true poses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2

from a2gc_ros.bags.message_factory import MessageFactory
from a2gc_ros.bags.message_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, ODOMETRY, POSE, TRANSFORMS
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.system.files import folder_beside

IMAGE_TOPIC = "/camera/image_raw"
CAMERA_INFO_TOPIC = "/camera/camera_info"
ODOMETRY_TOPIC = "/odom"
GROUND_TRUTH_TOPIC = "/ground_truth/pose"

_ROSBAG2_VERSION: Literal[8] = 8
"""Readable from Humble on."""


class RecordingWriter:
    """Writes one recording; a context manager.

    The format follows the name: ``run.mcap`` and ``run.db3`` become one self-contained file, ``run.bag`` a ROS 1
    bag, and a name without suffix a rosbag2 folder with metadata.yaml around an MCAP file. The result appears under
    its name only when it is complete; after an exception nothing is left.

    Args:
        path: Where the recording goes; nothing may be there yet.
        compress: Compress the chunks of an MCAP file (zstd); worth it for raw images, not for JPEG.

    Raises:
        BagError: If something lies at ``path`` or its suffix is not known.
    """

    def __init__(self, path: str | Path, *, compress: bool = False) -> None:
        self.path = Path(path)
        suffix = self.path.suffix
        if suffix not in (".mcap", ".db3", ".bag", ""):
            raise BagError(
                f"cannot write {self.path}: the name must end in .mcap, .db3 or .bag, or in nothing for a folder"
            )
        if self.path.exists():
            raise BagError(f"cannot write {self.path}: it exists; remove it or choose another name")
        self._ros_version = 1 if suffix == ".bag" else 2
        self._messages = MessageFactory(self._ros_version)
        self._connections: dict[str, Connection] = {}
        with ExitStack() as undo:
            # Beside the target, so that the last step is a rename.
            self._draft = undo.enter_context(folder_beside(self.path)) / self.path.stem
            with self._told():
                self._writer = self._opened(suffix, compress)
            self._cleanup = undo.pop_all()

    def _opened(self, suffix: str, compress: bool) -> Writer1 | Writer2:
        writer: Writer1 | Writer2
        if self._ros_version == 1:
            writer = Writer1(self._draft)
        else:
            plugin = StoragePlugin.SQLITE3 if suffix == ".db3" else StoragePlugin.MCAP
            writer = Writer2(self._draft, version=_ROSBAG2_VERSION, storage_plugin=plugin)
            if compress and plugin == StoragePlugin.MCAP:
                writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        writer.open()
        return writer

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def close(self) -> None:
        """Finishes the recording and gives it its name."""
        with self._cleanup, self._told():
            self._writer.close()
            self._finished().replace(self.path)

    def abort(self) -> None:
        """Throws away what was written."""
        with self._cleanup, suppress(Exception):
            self._writer.close()

    def add_image(
        self,
        stamp_ns: int,
        image: npt.NDArray[np.uint8],
        *,
        topic: str = IMAGE_TOPIC,
        frame_id: str = "camera",
        jpeg_quality: int | None = None,
    ) -> None:
        """Adds an image.

        Args:
            stamp_ns: Nanoseconds; header stamp and time of receipt.
            image: uint8 (H, W, 3) RGB or (H, W) gray.
            topic: Topic name; compressed images go to its ``/compressed``.
            frame_id: The camera's optical frame.
            jpeg_quality: 1 to 100 for a JPEG, None for raw pixels.
        """
        if jpeg_quality is not None:
            bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
            self.add_encoded_image(stamp_ns, data.tobytes(), "jpeg", topic=topic, frame_id=frame_id)
            return
        height, width = image.shape[:2]
        channels = 1 if image.ndim == 2 else 3
        self._write(
            topic,
            IMAGE,
            stamp_ns,
            header=self._messages.header(stamp_ns, frame_id),
            height=height,
            width=width,
            encoding="mono8" if channels == 1 else "rgb8",
            is_bigendian=0,
            step=width * channels,
            data=np.ascontiguousarray(image).reshape(-1),
        )

    def add_encoded_image(
        self, stamp_ns: int, data: bytes, format: str, *, topic: str = IMAGE_TOPIC, frame_id: str = "camera"
    ) -> None:
        """Adds a JPEG or PNG file as it is, on ``topic``'s ``/compressed``.

        Args:
            stamp_ns: Nanoseconds; header stamp and time of receipt.
            data: The file's bytes.
            format: ``jpeg`` or ``png``.
            topic: Name of the raw topic this would be.
            frame_id: The camera's optical frame.
        """
        self._write(
            f"{topic}/compressed",
            COMPRESSED_IMAGE,
            stamp_ns,
            header=self._messages.header(stamp_ns, frame_id),
            format=format,
            data=np.frombuffer(data, dtype=np.uint8),
        )

    def add_camera_info(
        self, stamp_ns: int, intrinsics: CameraIntrinsics, *, topic: str = CAMERA_INFO_TOPIC, frame_id: str = "camera"
    ) -> None:
        """Adds a calibration."""
        projection = np.zeros((3, 4))
        projection[:, :3] = intrinsics.matrix
        calibration = {
            "d": intrinsics.distortion.astype(np.float64),
            "k": intrinsics.matrix.astype(np.float64).reshape(-1),
            "r": (np.eye(3) if intrinsics.rotation is None else intrinsics.rotation).reshape(-1),
            "p": projection.reshape(-1),
        }
        if self._ros_version == 1:
            calibration = {name.upper(): values for name, values in calibration.items()}
        self._write(
            topic,
            CAMERA_INFO,
            stamp_ns,
            header=self._messages.header(stamp_ns, frame_id),
            height=intrinsics.height,
            width=intrinsics.width,
            distortion_model=intrinsics.model,
            binning_x=0,
            binning_y=0,
            roi=self._messages.new(
                "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
            **calibration,
        )

    def add_odometry(
        self,
        stamp_ns: int,
        t_odom_base: Pose,
        *,
        topic: str = ODOMETRY_TOPIC,
        frame_id: str = "odom",
        child_frame_id: str = "base_link",
        covariance: npt.NDArray[np.float64] | None = None,
        twist: tuple[float, ...] = (0.0,) * 6,
        twist_covariance: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Adds a pose of the robot as nav_msgs/Odometry.

        Args:
            stamp_ns: Nanoseconds; header stamp and time of receipt.
            t_odom_base: The pose.
            topic: Name of the topic.
            frame_id: Frame of the poses.
            child_frame_id: The robot's frame.
            covariance: Of the pose, (6, 6); zeros, for unknown, where not given.
            twist: Speeds along and about x, y and z, m/s and rad/s, in the robot's frame.
            twist_covariance: Of ``twist``, (6, 6); zeros where not given.
        """
        linear, angular = self._messages.vector(twist[:3]), self._messages.vector(twist[3:])
        self._write(
            topic,
            ODOMETRY,
            stamp_ns,
            header=self._messages.header(stamp_ns, frame_id),
            child_frame_id=child_frame_id,
            pose=self._messages.new(
                "geometry_msgs/msg/PoseWithCovariance",
                pose=self._messages.pose(t_odom_base),
                covariance=_flat(covariance),
            ),
            twist=self._messages.new(
                "geometry_msgs/msg/TwistWithCovariance",
                twist=self._messages.new("geometry_msgs/msg/Twist", linear=linear, angular=angular),
                covariance=_flat(twist_covariance),
            ),
        )

    def add_pose(self, stamp_ns: int, t_world_base: Pose, *, topic: str = GROUND_TRUTH_TOPIC) -> None:
        """Adds a pose as geometry_msgs/PoseStamped, by default the true one, in the frame ``world``."""
        self._write(
            topic,
            POSE,
            stamp_ns,
            header=self._messages.header(stamp_ns, "world"),
            pose=self._messages.pose(t_world_base),
        )

    def add_transform(
        self, stamp_ns: int, t_parent_child: Pose, *, parent: str, child: str, static: bool = False
    ) -> None:
        """Adds one edge of the transform tree to /tf, or to /tf_static."""
        transform = self._messages.new(
            "geometry_msgs/msg/Transform",
            translation=self._messages.vector(t_parent_child[:3, 3].tolist()),
            rotation=self._messages.rotation(t_parent_child),
        )
        edge = self._messages.new(
            "geometry_msgs/msg/TransformStamped",
            header=self._messages.header(stamp_ns, parent),
            child_frame_id=child,
            transform=transform,
        )
        self._write("/tf_static" if static else "/tf", TRANSFORMS, stamp_ns, transforms=[edge])

    def _write(self, topic: str, msgtype: str, stamp_ns: int, **fields: Any) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, msgtype, typestore=self._messages.store)
        data = self._messages.serialized(self._messages.new(msgtype, **fields), msgtype)
        with self._told():
            self._writer.write(self._connections[topic], stamp_ns, data)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says in our words what SQLite says of a full disk."""
        try:
            yield
        except sqlite3.Error as error:
            raise BagError(f"{self.path} cannot be written ({error}): check its folder and the free space") from error

    def _finished(self) -> Path:
        """Returns what is to be moved to the target: the folder, or the one file in it."""
        if self._ros_version == 1 or not self.path.suffix:
            return self._draft
        return self._draft / f"{self._draft.name}{self.path.suffix}"


def _flat(covariance: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    return np.zeros(36) if covariance is None else covariance.reshape(-1)
