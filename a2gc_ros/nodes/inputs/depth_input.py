"""Recent depth images, asked for the one of a camera image's moment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from a2gc_ros.bags.messages import decode_depth
from a2gc_ros.errors import ImageError
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.inputs.image_input import stamp_of_serialized
from a2gc_ros.nodes.inputs.input_context import InputContext
from a2gc_ros.nodes.inputs.stamped_buffers import DEPTH_IMAGES, DepthBuffer


class DepthInput:
    """Subscribes to depth images registered to the camera."""

    def __init__(self, context: InputContext) -> None:
        self._context = context
        self._buffer = DepthBuffer()
        self._subscription = context.node.create_subscription(
            Image,
            context.settings.depth_topic,
            self._on_depth,
            qos.sensor_stream(DEPTH_IMAGES),
            # Of its own: images are not to wait for depth images.
            callback_group=MutuallyExclusiveCallbackGroup(),
            raw=True,
        )

    @property
    def topic(self) -> str:
        """Full name of the topic."""
        return self._subscription.topic_name

    def close(self) -> None:
        """Ends the subscription and every wait."""
        self._buffer.close()
        self._context.node.destroy_subscription(self._subscription)

    def at(self, stamp_ns: int, timeout_s: float) -> npt.NDArray[np.float32] | None:
        """Returns the depth image of a moment, float32 (H, W) metres; None where there is none.

        A damaged one is counted.
        """
        data = self._buffer.message_at(stamp_ns, timeout_s)
        if data is None:
            return None
        try:
            return decode_depth(deserialize_message(data, Image))
        # rclpy raises exceptions of its C library, which have no public common class.
        except Exception as error:
            self._context.statistics.fail("depth", f"a depth image cannot be used: {error}")
            return None

    def _on_depth(self, data: bytes) -> None:
        try:
            self._buffer.add(stamp_of_serialized(data), data)
        except ImageError as error:
            self._context.statistics.fail("depth", str(error))
