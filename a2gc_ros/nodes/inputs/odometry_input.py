"""Where the robot's poses come from: a topic of odometry, or the transforms on /tf."""

from __future__ import annotations

from typing import Any

from nav_msgs.msg import Odometry
from rclpy.subscription import Subscription

from a2gc_ros.bags.message_types import ODOMETRY
from a2gc_ros.bags.messages import pose_of, stamp_of
from a2gc_ros.bags.pose_source import BASE_FRAMES
from a2gc_ros.geometry import Pose
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.inputs.heard import Heard
from a2gc_ros.nodes.inputs.input_context import InputContext
from a2gc_ros.nodes.inputs.stamped_buffers import OdometryBuffer
from a2gc_ros.nodes.inputs.stamps import stamps_of
from a2gc_ros.nodes.inputs.transforms import TRANSFORMS, Transforms, open_transforms


class OdometryInput:
    """Gives the robot's pose at the stamp of an image.

    Of ``odometry_source`` auto, the topic is taken where somebody publishes it and /tf where nobody does; whichever
    gave the first pose stays, for poses of two sources do not go together.

    Attributes:
        heard: What was heard of odometry on its topic.
        stamps: Chooses the time of each message.
        frames: The fixed frame of the poses and the one that they move; empty until there are any, or where odometry
            names none.
        follows_transforms: Whether the poses come from /tf.
        posed: Images that got a pose.
        unposed: Images that got none.
    """

    def __init__(self, context: InputContext) -> None:
        node, settings = context.node, context.settings
        self._context = context
        self._buffer = OdometryBuffer()
        self._subscription: Subscription[Any] | None = None
        self._transforms: Transforms | None = None
        self.frames = ("", "")
        self.follows_transforms = settings.odometry_source == "tf"
        self.posed = self.unposed = 0
        self.heard = Heard(node.resolve_topic_name(settings.odom_topic))
        self.stamps = stamps_of(node, self.heard.topic, settings)
        if settings.odometry_source != "tf":
            self._subscription = node.create_subscription(
                Odometry, settings.odom_topic, self._on_odometry, qos.sensor_stream(), callback_group=context.group
            )
        if settings.odometry_source != "topic":
            self._transforms = open_transforms(node, context.group, context.count_bad_transform)

    @property
    def topics(self) -> list[str]:
        """Everything that is listened to, in words."""
        names = [] if self._subscription is None else [self.heard.topic]
        return [*names, f"{TRANSFORMS} (by {self._transforms.kind})"] if self._transforms is not None else names

    @property
    def lacks_transforms(self) -> bool:
        """Whether /tf is wanted and cannot be read, because tf2_msgs is not installed."""
        wanted = self._context.settings.odometry_source != "topic"
        return wanted and self._transforms is None and not self.heard.received

    def pose_at(self, stamp_ns: int, timeout_s: float, camera_frame: str) -> Pose | None:
        """Returns ``t_odom_base`` at a stamp, or None where it is not known.

        Args:
            stamp_ns: Stamp of the image.
            timeout_s: Longest wait for odometry to reach the stamp.
            camera_frame: Frame of the image; without a base it is the one that moves.
        """
        if self._asks_transforms():
            pose = self._transformed(stamp_ns, timeout_s, camera_frame)
        else:
            pose = self._buffer.pose_at(stamp_ns, timeout_s)
        self.posed += pose is not None
        self.unposed += pose is None
        return pose

    def close(self) -> None:
        """Ends the subscriptions and every wait."""
        self._buffer.close()
        if self._transforms is not None:
            self._transforms.close()
        if self._subscription is not None:
            self._context.node.destroy_subscription(self._subscription)
            self._subscription = None

    def _asks_transforms(self) -> bool:
        if self._transforms is None or self.follows_transforms:
            return self._transforms is not None
        return not self.heard.received and self._context.node.count_publishers(self.heard.topic) == 0

    def _transformed(self, stamp_ns: int, timeout_s: float, camera_frame: str) -> Pose | None:
        assert self._transforms is not None
        fixed, base_frame = self._context.settings.odom_frame, self._context.settings.base_frame
        for base in (base_frame,) if base_frame else (*BASE_FRAMES, camera_frame.lstrip("/")):
            if base and self._transforms.connected(fixed, base):
                pose = self._transforms.pose_at(fixed, base, stamp_ns, timeout_s)
                if pose is not None:
                    self.frames = fixed, base
                    self.follows_transforms = True
                return pose
        return None

    def _on_odometry(self, message: Odometry) -> None:
        self.heard.note()
        if self.follows_transforms:
            self._context.node.get_logger().warning(
                f"{self.heard.topic} began after poses were taken from {TRANSFORMS}, and is passed over: set "
                "odometry_source to topic or tf",
                once=True,
            )
            return
        try:
            pose = pose_of(message, ODOMETRY)
        except ValueError as error:
            self._context.statistics.fail("odometry", f"odometry is no pose: {error}")
            return
        self.frames = message.header.frame_id, message.child_frame_id.lstrip("/")
        stamp_ns = self.stamps.stamp_ns(stamp_of(message.header))
        if stamp_ns is None:
            self._context.statistics.fail("odometry", f"odometry on {self.heard.topic} has no stamp of its own")
            return
        self._buffer.add(stamp_ns, pose)
