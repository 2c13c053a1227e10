"""What the node hears of its camera and of the robot's place: images, and all that belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo

from a2gc_ros.bags.messages import calibration_of, sensor_bits_of
from a2gc_ros.errors import CalibrationError, ImageError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.images.camera_options import MOST_BITS, samples_note
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.images.image_calibration import ImageCalibration
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.latest_mailbox import LatestMailbox
from a2gc_ros.nodes.inputs.depth_input import DepthInput
from a2gc_ros.nodes.inputs.extrinsics import PATIENCE_S, CameraExtrinsics
from a2gc_ros.nodes.inputs.heard import Heard
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter
from a2gc_ros.nodes.inputs.image_input import MESSAGE_CLASSES, Arrival, ImageInput
from a2gc_ros.nodes.inputs.input_context import InputContext
from a2gc_ros.nodes.inputs.odometry_input import OdometryInput
from a2gc_ros.nodes.inputs.topic_names import camera_info_topic


class CameraInput:
    """Listens to images, calibration, depth, odometry and the camera's place, and makes frames of them.

    Args:
        context: What inputs stand on.
        mailbox: Where images go.
        converter: Turns messages into pixels.
        on_moved: Told when the camera's place on the robot is told differently from before.

    Attributes:
        images: Where images come from.
        odometry: Tells where the robot is.
        extrinsics: Tells where the camera sits on the robot.
        converter: Turns messages into pixels.
        calibration: What was heard of the camera's calibration.
        calibrated: The calibration of the newest image, None where none fits it, and why not; empty while unknown.
        topics: Everything that is listened to from the start, in words.

    Raises:
        ConfigError: If an override of a quality of service is no such value; whatever is raised, no subscription stays.
    """

    def __init__(
        self,
        context: InputContext,
        mailbox: LatestMailbox[Arrival],
        converter: ImageConverter,
        on_moved: Callable[[], None],
    ) -> None:
        node, settings = context.node, context.settings
        self._context = context
        self.converter = converter
        self.calibrated: tuple[CameraIntrinsics | None, str] = (None, "")
        self._said: set[str] = set()
        self._bits_told = False
        patience_s = PATIENCE_S if settings.assumes_camera_pose else 0.0
        self.extrinsics = CameraExtrinsics(pose_from_xyz_rpy(settings.camera_pose), patience_s, on_moved)
        with ExitStack() as opened:
            self.odometry = OdometryInput(context)
            opened.callback(self.odometry.close)
            self.images = ImageInput(context, mailbox)
            opened.callback(self.images.close)
            info = camera_info_topic(node, settings.camera_info_topic, self.images.topic)
            self.calibration = Heard(info)
            self._image_calibration = ImageCalibration(self.images.topic, settings.rectification)
            subscription = node.create_subscription(
                CameraInfo, info, self._on_camera_info, qos.sensor_stream(5), callback_group=context.group
            )
            opened.callback(node.destroy_subscription, subscription)
            self.topics = [f"{self.images.topic} ({self.images.message_type})", info]
            self._depth = DepthInput(context) if settings.depth else None
            if self._depth is not None:
                opened.callback(self._depth.close)
                self.topics.append(self._depth.topic)
            for fixed in self.extrinsics.subscribe(node, context.group, context.count_bad_transform):
                opened.callback(node.destroy_subscription, fixed)
                self.topics.append(fixed.topic_name)
            self.topics += self.odometry.topics
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Ends the subscriptions and every wait."""
        self._opened.close()

    def frame_of(self, arrival: Arrival) -> Frame:
        """Decodes an image and finds the calibration and the pose that belong to it.

        Raises:
            ImageError: If the message is damaged or its image cannot be used.
        """
        try:
            message = deserialize_message(arrival.data, MESSAGE_CLASSES[arrival.type])
        # rclpy raises exceptions of its C library, which have no public common class.
        except Exception as error:
            raise ImageError(f"a message on {self.images.topic} is not a valid {arrival.type}: {error}") from error
        stamp_ns, camera_frame = arrival.stamp_ns, message.header.frame_id
        timeout_s = self._context.settings.odometry_timeout
        pose = self.odometry.pose_at(stamp_ns, timeout_s, camera_frame)
        image = self.converter.pixels(message, arrival.type, self._context.settings.sensor_bits)
        self._tell_bits(message, arrival.type)
        self.calibrated = intrinsics, uncalibrated = self._image_calibration.at(image.shape[1], image.shape[0])
        self._say_once(self._image_calibration.notes)
        return Frame(
            stamp_ns=stamp_ns,
            image=image,
            frame_id=camera_frame,
            intrinsics=intrinsics,
            pose=pose,
            t_base_camera=self.extrinsics.pose(self.odometry.frames[1], camera_frame),
            depth=None if self._depth is None else self._depth.at(stamp_ns, timeout_s),
            uncalibrated=uncalibrated,
        )

    def _on_camera_info(self, message: CameraInfo) -> None:
        self.calibration.note()
        try:
            self._image_calibration.use(calibration_of(message))
        except CalibrationError as error:
            self._say_once((str(error),))

    def _tell_bits(self, message: Any, message_type: str) -> None:
        """Says which bits of 16-bit samples the first image uses, where that is not all of them."""
        if self._bits_told or self._context.settings.sensor_bits:
            return
        self._bits_told = True
        bits = sensor_bits_of(message, message_type)
        if bits is not None and bits < MOST_BITS:
            self._say_once((samples_note(self.images.topic, bits),))

    def _say_once(self, sentences: Iterable[str]) -> None:
        """Warns of what was assumed or refused about the camera."""
        for sentence in sentences:
            if sentence not in self._said:
                self._said.add(sentence)
                self._context.statistics.fail("camera", sentence)
                self._context.node.get_logger().warning(sentence)
