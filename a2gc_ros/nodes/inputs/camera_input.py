"""The node's ears: images into the newest-image slot, calibration and depth beside it."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE
from a2gc_ros.bags.messages import calibration_of, decode_depth, sensor_bits_of
from a2gc_ros.errors import CalibrationError, ConfigError, ImageError
from a2gc_ros.images.calibration import ImageCalibration
from a2gc_ros.images.camera_options import MOST_BITS, samples_note
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS, LatestMailbox, Offer
from a2gc_ros.nodes.base.lifecycle import WARN_EVERY_S
from a2gc_ros.nodes.base.run_statistics import Statistics
from a2gc_ros.nodes.inputs.depth_buffer import DepthBuffer
from a2gc_ros.nodes.inputs.extrinsics import CameraExtrinsics
from a2gc_ros.nodes.inputs.heard import Heard
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.nodes.inputs.odometry_input import OdometryInput
from a2gc_ros.nodes.inputs.stamps import stamps_of
from a2gc_ros.nodes.inputs.topic_names import ImageTopic, camera_info_topic, image_topics, published
from a2gc_ros.nodes.parameters import NodeSettings

_CLASSES: dict[str, Any] = {IMAGE: Image, COMPRESSED_IMAGE: CompressedImage}
_LITTLE_ENDIAN = 1
_COUNTED_AS = {
    Offer.REPLACED_OLDER: "skipped",
    Offer.TOO_SOON: "passed_over",
    Offer.TOO_OLD: "old",
}


LOOK_EVERY_S = 0.25
"""How often it is looked whether somebody publishes the other kind of images, until the first one arrives."""


@dataclass(frozen=True)
class Arrival:
    """An image message as it came, not yet looked into.

    Attributes:
        data: The serialised message.
        type: Its message type.
        stamp_ns: When it was taken.
        at_s: Monotonic time of its arrival.
    """

    data: bytes
    type: str
    stamp_ns: int
    at_s: float


class CameraInput:
    """Subscribes to a camera.

    Images are kept serialised: of those that are replaced by newer ones nothing but the stamp is ever read.

    Args:
        node: The node that owns the subscriptions.
        settings: Its parameters, which name the topics.
        slot: Where images go.
        odometry: Tells where the robot is.
        extrinsics: Tells where the camera sits on the robot.
        statistics: Where everything is counted.
        group: Callback group of the subscriptions.
        converter: Turns messages into pixels.

    Attributes:
        heard: What was heard of images.
        converter: Turns messages into pixels.
        calibration: What was heard of the camera's calibration.
        stamps: Chooses the time of each image.

    Raises:
        ConfigError: If an override of the quality of service is no such value.
    """

    def __init__(
        self,
        node: Node,
        settings: NodeSettings,
        slot: LatestMailbox[Arrival],
        odometry: OdometryInput,
        extrinsics: CameraExtrinsics,
        statistics: Statistics,
        group: CallbackGroup,
        converter: ImageConverter,
    ) -> None:
        self._node = node
        self._settings = settings
        self._slot = slot
        self._odometry = odometry
        self._extrinsics = extrinsics
        self._statistics = statistics
        self._group = group
        self.converter = converter
        self._depth = DepthBuffer() if settings.depth else None
        self._lock = threading.Lock()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._newest_ns: int | None = None
        self._intrinsics: CameraIntrinsics | None = None
        self._uncalibrated = ""
        self._said: set[str] = set()
        self._bits_told = False
        self.qos: QoSProfile = qos.newest_only()
        self._choices = image_topics(node, settings.image_topic, settings.image_transport)
        self._image_subscriptions = [self._subscribe_images(self._choices[0])]
        info = camera_info_topic(node, settings.camera_info_topic, self._choices[0].name)
        self.calibration = Heard(info)
        self._image_calibration = ImageCalibration(self._choices[0].name, settings.rectification)
        self._subscriptions: list[Subscription[Any]] = [
            node.create_subscription(
                CameraInfo, info, self._on_camera_info, qos.sensor_stream(5), callback_group=group
            ),
            *self._subscribe_depth(),
            *extrinsics.subscribe(node, group, lambda problem: statistics.fail("transforms", problem)),
        ]
        self._look: Timer | None = None
        if len(self._choices) > 1:
            self._look = node.create_timer(LOOK_EVERY_S, self._look_for_images, group, clock=self._steady)

    @property
    def topic(self) -> str:
        """Full name of the image topic."""
        return self.heard.topic

    @property
    def intrinsics(self) -> CameraIntrinsics | None:
        """The calibration of the newest image; None where none fits it."""
        with self._lock:
            return self._intrinsics

    @property
    def uncalibrated(self) -> str:
        """Why the newest image has no calibration; empty where it has one, or nothing is known."""
        with self._lock:
            return self._uncalibrated

    @property
    def topics(self) -> list[str]:
        """Everything that is listened to, in words."""
        names = [f"{self.topic} ({self.message_type})", self.calibration.topic]
        return [*names, *(subscription.topic_name for subscription in self._subscriptions[1:])]

    def close(self) -> None:
        """Ends the subscriptions."""
        if self._depth is not None:
            self._depth.close()
        if self._look is not None:
            self._node.destroy_timer(self._look)
            self._look = None
        for subscriptions in (self._image_subscriptions, self._subscriptions):
            while subscriptions:
                self._node.destroy_subscription(subscriptions.pop())

    def frame_of(self, arrival: Arrival, odometry_timeout_s: float) -> Frame:
        """Decodes an image and finds the calibration and the pose that belong to it.

        Raises:
            ImageError: If the message is damaged or its image cannot be used.
        """
        try:
            message = deserialize_message(arrival.data, _CLASSES[arrival.type])
        # rclpy raises exceptions of its C library, which have no public common class.
        except Exception as error:
            raise ImageError(f"a message on {self.topic} is not a valid {arrival.type}: {error}") from error
        stamp_ns = arrival.stamp_ns
        pose = self._odometry.pose_at(stamp_ns, odometry_timeout_s, message.header.frame_id)
        image = self.converter.pixels(message, arrival.type, self._settings.sensor_bits)
        self._tell_bits(message, arrival.type)
        intrinsics, uncalibrated = self._image_calibration.at(image.shape[1], image.shape[0])
        with self._lock:
            self._intrinsics, self._uncalibrated = intrinsics, uncalibrated
        self._say_once(self._image_calibration.notes)
        return Frame(
            stamp_ns=stamp_ns,
            image=image,
            frame_id=message.header.frame_id,
            intrinsics=intrinsics,
            pose=pose,
            t_base_camera=self._extrinsics.pose(self._odometry.base_frame, message.header.frame_id),
            depth=self._depth_at(stamp_ns, odometry_timeout_s),
            uncalibrated=uncalibrated,
        )

    def _subscribe_depth(self) -> list[Subscription[Any]]:
        if self._depth is None:
            return []
        # A group of its own: images are not to wait for depth images.
        group = MutuallyExclusiveCallbackGroup()
        return [
            self._node.create_subscription(
                Image,
                self._settings.depth_topic,
                self._on_depth,
                qos.sensor_stream(8),
                callback_group=group,
                raw=True,
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

    def _subscribe_images(self, topic: ImageTopic) -> Subscription[Any]:
        try:
            subscription = self._node.create_subscription(
                _CLASSES[topic.type],
                topic.name,
                partial(self._on_image, topic.type),
                self.qos,
                callback_group=self._group,
                raw=True,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        except (RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"an override qos_overrides.{topic.name}.subscription.* does not fit ({error}): "
                "history is keep_last or keep_all, reliability is reliable or best_effort, depth is a number"
            ) from error
        self.heard, self.message_type = Heard(topic.name), topic.type
        self.stamps = stamps_of(self._node, topic.name, self._settings)
        return subscription

    def _look_for_images(self) -> None:
        """Moves to the kind of images that somebody publishes; what has arrived once is not left any more."""
        if self.heard.received:
            if self._look is not None:
                self._look.cancel()
            return
        found = published(self._node, self._choices)
        if found is None or found == (self.topic, self.message_type):
            return
        # First: Fast DDS refuses a second type on a topic.
        self._node.destroy_subscription(self._image_subscriptions.pop())
        try:
            self._image_subscriptions.append(self._subscribe_images(found))
        except ConfigError as error:
            self._node.get_logger().error(str(error), throttle_duration_sec=WARN_EVERY_S)
            return
        self._node.get_logger().info(f"listening to {self.topic} ({self.message_type}), which is published")

    def _on_image(self, message_type: str, data: bytes) -> None:
        self.heard.note()
        self._statistics.count("received")
        try:
            stamp_ns = self.stamps.stamp_ns(stamp_of_serialized(data))
        except ImageError as error:
            self._statistics.fail("damaged", str(error))
            return
        if stamp_ns is None:
            self._statistics.count("old")
            return
        self._note_step_back(stamp_ns)
        arrival = Arrival(data, message_type, stamp_ns, time.monotonic())
        if counted_as := _COUNTED_AS.get(self._slot.offer(stamp_ns, arrival)):
            self._statistics.count(counted_as)

    def _note_step_back(self, stamp_ns: int) -> None:
        before_ns, self._newest_ns = self._newest_ns, stamp_ns
        if before_ns is None or stamp_ns >= before_ns - JUMP_BACK_NS:
            return
        self._statistics.count("stepped_back")
        self._node.get_logger().warning(
            f"the stamps on {self.topic} stepped back by {(before_ns - stamp_ns) / 1e9:.1f} s, so a new session "
            "begins: a recording began again, or two cameras publish this topic",
            throttle_duration_sec=WARN_EVERY_S,
            throttle_time_source_type=self._steady,
        )

    def _on_camera_info(self, message: CameraInfo) -> None:
        self.calibration.note()
        try:
            self._image_calibration.use(calibration_of(message))
        except CalibrationError as error:
            self._say_once((str(error),))

    def _tell_bits(self, message: Any, msgtype: str) -> None:
        """Says which bits of 16-bit samples the first image uses, where that is not all of them."""
        if self._bits_told or self._settings.sensor_bits:
            return
        self._bits_told = True
        bits = sensor_bits_of(message, msgtype)
        if bits is not None and bits < MOST_BITS:
            self._say_once((samples_note(self.topic, bits),))

    def _say_once(self, sentences: Iterable[str]) -> None:
        """Warns of what was assumed or refused about the camera."""
        for sentence in sentences:
            if sentence not in self._said:
                self._said.add(sentence)
                self._statistics.fail("camera", sentence)
                self._node.get_logger().warning(sentence)


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
