"""The node's ears: images into the newest-image slot, calibration and odometry beside it."""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from nav_msgs.msg import Odometry
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE, ODOMETRY
from a2gc_ros.bags.messages import decode_depth, decode_image, intrinsics_of, pose_of, stamp_of
from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.nodes import qos
from a2gc_ros.nodes.depth_buffer import DepthBuffer
from a2gc_ros.nodes.mounting import CameraMounting
from a2gc_ros.nodes.newest_slot import NewestSlot, Offer
from a2gc_ros.nodes.odometry_buffer import OdometryBuffer
from a2gc_ros.nodes.run_statistics import Statistics

_LITTLE_ENDIAN = 1
_COUNTED_AS = {
    Offer.REPLACED_OLDER: "skipped",
    Offer.TOO_SOON: "passed_over",
    Offer.TOO_OLD: "passed_over",
}


@dataclass(frozen=True)
class Arrival:
    """An image message as it came, not yet looked into.

    Attributes:
        data: The serialised message.
        at_s: Monotonic time of its arrival.
    """

    data: bytes
    at_s: float


class CameraInput:
    """Subscribes to a camera and to odometry.

    Images are kept serialised: of those that are replaced by newer ones nothing but the stamp is ever read.

    Args:
        node: The node that owns the subscriptions.
        image_transport: ``raw`` or ``compressed``.
        slot: Where images go.
        odometry: Where poses go.
        mounting: Tells where the camera sits on the robot.
        statistics: Where everything is counted.
        depth: Where depth images go; None to leave them alone.

    Raises:
        ConfigError: If an override of the quality of service is no such value.
    """

    def __init__(
        self,
        node: Node,
        image_transport: str,
        slot: NewestSlot[Arrival],
        odometry: OdometryBuffer,
        mounting: CameraMounting,
        statistics: Statistics,
        depth: DepthBuffer | None = None,
    ) -> None:
        self._node = node
        self._slot = slot
        self._odometry = odometry
        self._mounting = mounting
        self._statistics = statistics
        self._depth = depth
        self._lock = threading.Lock()
        self._intrinsics: CameraIntrinsics | None = None
        self._odometry_frame = self._base_frame = ""
        self.last_arrival_s = time.monotonic()
        self.message_type = COMPRESSED_IMAGE if image_transport == "compressed" else IMAGE
        self._class: Any = CompressedImage if image_transport == "compressed" else Image
        self.topic = image_topic(node, image_transport)
        self.qos: QoSProfile = qos.newest_only()
        group = MutuallyExclusiveCallbackGroup()
        self._subscriptions: list[Subscription[Any]] = [
            self._subscribe_images(group),
            node.create_subscription(
                CameraInfo, "camera_info", self._on_camera_info, qos.sensor_stream(5), callback_group=group
            ),
            node.create_subscription(Odometry, "odom", self._on_odometry, qos.sensor_stream(), callback_group=group),
            *self._subscribe_depth(),
            *mounting.subscribe(node, group, lambda problem: statistics.fail("transforms", problem)),
        ]

    @property
    def odometry_frame(self) -> str:
        """The fixed frame that odometry names; empty until it arrives."""
        with self._lock:
            return self._odometry_frame

    def close(self) -> None:
        """Ends the subscriptions."""
        if self._depth is not None:
            self._depth.close()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def frame_of(self, arrival: Arrival, odometry_timeout_s: float) -> Frame:
        """Decodes an image and finds the calibration and the pose that belong to it.

        Raises:
            ImageError: If the message is damaged or its image cannot be used.
        """
        try:
            message = deserialize_message(arrival.data, self._class)
        # rclpy raises exceptions of its C library, which have no public common class.
        except Exception as error:
            raise ImageError(f"a message on {self.topic} is not a valid {self.message_type}: {error}") from error
        stamp_ns = stamp_of(message.header)
        pose = self._odometry.pose_at(stamp_ns, odometry_timeout_s)
        with self._lock:
            intrinsics, base_frame = self._intrinsics, self._base_frame
        return Frame(
            stamp_ns=stamp_ns,
            image=decode_image(message, self.message_type),
            frame_id=message.header.frame_id,
            intrinsics=intrinsics,
            pose=pose,
            t_base_camera=self._mounting.pose(base_frame, message.header.frame_id),
            depth=self._depth_at(stamp_ns, odometry_timeout_s),
        )

    def _subscribe_depth(self) -> list[Subscription[Any]]:
        if self._depth is None:
            return []
        # A group of its own: images are not to wait for depth images.
        group = MutuallyExclusiveCallbackGroup()
        return [
            self._node.create_subscription(
                Image, "depth", self._on_depth, qos.sensor_stream(8), callback_group=group, raw=True
            )
        ]

    def _on_depth(self, data: bytes) -> None:
        assert self._depth is not None
        try:
            self._depth.add(stamp_of_serialized(data), data)
        except ImageError as error:
            self._statistics.fail("depth", str(error))

    def _depth_at(self, stamp_ns: int, timeout_s: float) -> npt.NDArray[np.float32] | None:
        """Returns the depth image of a moment; a damaged one is counted, and the frame goes without."""
        data = None if self._depth is None else self._depth.message_at(stamp_ns, timeout_s)
        if data is None:
            return None
        try:
            return decode_depth(deserialize_message(data, Image))
        # rclpy raises exceptions of its C library, which have no public common class.
        except Exception as error:
            self._statistics.fail("depth", f"a depth image cannot be used: {error}")
            return None

    def _subscribe_images(self, group: MutuallyExclusiveCallbackGroup) -> Subscription[Any]:
        try:
            return self._node.create_subscription(
                self._class,
                self.topic,
                self._on_image,
                self.qos,
                callback_group=group,
                raw=True,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        except (RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"an override qos_overrides.{self.topic}.subscription.* does not fit ({error}): "
                "history is keep_last or keep_all, reliability is reliable or best_effort, depth is a number"
            ) from error

    def _on_image(self, data: bytes) -> None:
        self.last_arrival_s = time.monotonic()
        self._statistics.count("received")
        try:
            stamp_ns = stamp_of_serialized(data)
        except ImageError as error:
            self._statistics.fail("damaged", str(error))
            return
        if counted_as := _COUNTED_AS.get(self._slot.offer(stamp_ns, Arrival(data, self.last_arrival_s))):
            self._statistics.count(counted_as)

    def _on_camera_info(self, message: CameraInfo) -> None:
        intrinsics = intrinsics_of(message)
        with self._lock:
            self._intrinsics = intrinsics

    def _on_odometry(self, message: Odometry) -> None:
        try:
            pose = pose_of(message, ODOMETRY)
        except ValueError as error:
            self._statistics.fail("odometry", f"odometry is no pose: {error}")
            return
        with self._lock:
            self._odometry_frame = message.header.frame_id
            self._base_frame = message.child_frame_id.lstrip("/")
        self._odometry.add(stamp_of(message.header), pose)


def image_topic(node: Node, image_transport: str) -> str:
    """Returns the full name of the image topic.

    As in image_transport, compressed images lie beside the raw topic: who remaps ``image`` to ``/cam/image_raw`` gets
    ``/cam/image_raw/compressed``. A remapping of ``image/compressed`` itself goes first.
    """
    raw = node.resolve_topic_name("image")
    if image_transport != "compressed":
        return raw
    name = node.resolve_topic_name("image/compressed")
    remapped = name != node.resolve_topic_name("image/compressed", only_expand=True)
    return name if remapped else f"{raw}/compressed"


def stamp_of_serialized(data: bytes) -> int:
    """Reads the stamp of a serialised message that begins with a std_msgs/Header.

    CDR has four bytes that name the encoding, the second with the byte order in its lowest bit; then seconds, int32,
    and nanoseconds, uint32.

    Returns:
        Nanoseconds.

    Raises:
        ImageError: If there are too few bytes.
    """
    if len(data) < 12:
        raise ImageError(f"a message of {len(data)} bytes is too short to hold an image")
    order = "<" if data[1] & _LITTLE_ENDIAN else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
