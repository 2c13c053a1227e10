"""Images into the mailbox, from the topic on which somebody publishes them."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from sensor_msgs.msg import CompressedImage, Image

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE
from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.guards import THROTTLED
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS, LatestMailbox, Offer
from a2gc_ros.nodes.inputs.heard import Heard
from a2gc_ros.nodes.inputs.input_context import InputContext
from a2gc_ros.nodes.inputs.stamps import stamps_of
from a2gc_ros.nodes.inputs.topic_names import ImageTopic, image_topics, published

MESSAGE_CLASSES: Final[dict[str, Any]] = {IMAGE: Image, COMPRESSED_IMAGE: CompressedImage}
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
        data: The serialized message.
        type: Its message type.
        stamp_ns: When it was taken.
        at_s: Monotonic time of its arrival.
    """

    data: bytes
    type: str
    stamp_ns: int
    at_s: float


class ImageInput:
    """Subscribes to a camera's images.

    They are kept serialized: of those that are replaced by newer ones nothing but the stamp is ever read.

    Attributes:
        heard: What was heard of images.
        message_type: Of the topic that is subscribed.
        stamps: Chooses the time of each image.
        qos: Of the subscription, before overrides.

    Raises:
        ConfigError: If an override of the quality of service is no such value.
    """

    def __init__(self, context: InputContext, mailbox: LatestMailbox[Arrival]) -> None:
        self._context = context
        self._node = context.node
        self._mailbox = mailbox
        self._newest_ns: int | None = None
        self.qos: QoSProfile = qos.sensor_stream(1)
        self._choices = image_topics(self._node, context.settings.image_topic, context.settings.image_transport)
        self._subscription: Subscription[Any] | None = self._subscribe(self._choices[0])
        self._look: Timer | None = None
        if len(self._choices) > 1:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._look = self._node.create_timer(LOOK_EVERY_S, self._look_for_images, context.group, clock=steady)

    @property
    def topic(self) -> str:
        """Full name of the image topic."""
        return self.heard.topic

    def close(self) -> None:
        """Ends the subscription."""
        if self._look is not None:
            self._node.destroy_timer(self._look)
            self._look = None
        self._unsubscribe()

    def _subscribe(self, topic: ImageTopic) -> Subscription[Any]:
        try:
            subscription = self._node.create_subscription(
                MESSAGE_CLASSES[topic.type],
                topic.name,
                partial(self._on_image, topic.type),
                self.qos,
                callback_group=self._context.group,
                raw=True,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        except (RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"an override qos_overrides.{topic.name}.subscription.* does not fit ({error}): "
                "history is keep_last or keep_all, reliability is reliable or best_effort, depth is a number"
            ) from error
        self.heard, self.message_type = Heard(topic.name), topic.type
        self.stamps = stamps_of(self._node, topic.name, self._context.settings)
        return subscription

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

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
        self._unsubscribe()
        try:
            self._subscription = self._subscribe(found)
        except ConfigError as error:
            self._node.get_logger().error(str(error), **THROTTLED)
            return
        self._node.get_logger().info(f"listening to {self.topic} ({self.message_type}), which is published")

    def _on_image(self, message_type: str, data: bytes) -> None:
        statistics = self._context.statistics
        self.heard.note()
        statistics.count("received")
        try:
            stamp_ns = self.stamps.stamp_ns(stamp_of_serialized(data))
        except ImageError as error:
            statistics.fail("damaged", str(error))
            return
        if stamp_ns is None:
            statistics.count("old")
            return
        self._note_step_back(stamp_ns)
        arrival = Arrival(data, message_type, stamp_ns, time.monotonic())
        if counted_as := _COUNTED_AS.get(self._mailbox.offer(stamp_ns, arrival)):
            statistics.count(counted_as)

    def _note_step_back(self, stamp_ns: int) -> None:
        before_ns, self._newest_ns = self._newest_ns, stamp_ns
        if before_ns is not None and stamp_ns < before_ns - JUMP_BACK_NS:
            self._context.statistics.count("stepped_back")
            self._node.get_logger().warning(
                f"the stamps on {self.topic} stepped back by {(before_ns - stamp_ns) / 1e9:.1f} s, so a new session "
                "begins: a recording began again, or two cameras publish this topic",
                **THROTTLED,
            )


def stamp_of_serialized(data: bytes) -> int:
    """Reads the stamp of a serialized message that begins with a std_msgs/Header.

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
