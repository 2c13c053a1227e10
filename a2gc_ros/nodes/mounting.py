"""Where the camera sits on the robot: from /tf_static where ROS brings its message, else from a parameter."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import Subscription

from a2gc_ros.bags.messages import values_of
from a2gc_ros.bags.pose_source import mounting
from a2gc_ros.bags.transforms import TransformTree
from a2gc_ros.geometry import Pose

STATIC_TRANSFORMS = "/tf_static"


class CameraMounting:
    """Collects fixed transforms and answers where the camera is.

    Args:
        otherwise: ``t_base_camera`` where no chain of fixed transforms leads from the robot to the camera.
    """

    def __init__(self, otherwise: Pose) -> None:
        self._otherwise = otherwise
        self._tree = TransformTree()
        self._lock = threading.Lock()

    def subscribe(self, node: Node, group: CallbackGroup, on_error: Callable[[str], None]) -> list[Subscription[Any]]:
        """Listens to /tf_static; a ROS without tf2_msgs, such as the wheels, has no such topic to listen to."""
        try:
            message_type = importlib.import_module("tf2_msgs.msg").TFMessage
        except ImportError:
            return []

        def on_message(message: Any) -> None:
            for edge in message.transforms:
                try:
                    self.add(edge)
                except ValueError as error:
                    on_error(f"{STATIC_TRANSFORMS} holds no pose: {error}")

        # Latched: whoever comes late gets what was sent before.
        latched = QoSProfile(
            depth=100, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL
        )
        subscription = node.create_subscription(
            message_type, STATIC_TRANSFORMS, on_message, latched, callback_group=group
        )
        return [subscription]

    def add(self, edge: Any) -> None:
        """Adds a geometry_msgs/TransformStamped that never changes.

        Raises:
            ValueError: If it is no pose.
        """
        values = values_of(edge.transform.translation, edge.transform.rotation)
        with self._lock:
            self._tree.add(edge.header.frame_id, edge.child_frame_id, 0, *values, static=True)

    def pose(self, base_frame: str, camera_frame: str) -> Pose:
        """Returns ``t_base_camera``.

        Args:
            base_frame: Frame that odometry moves; empty where it did not name one.
            camera_frame: Frame of the images.
        """
        with self._lock:
            pose = mounting(self._tree, base_frame, camera_frame)
        return self._otherwise if pose is None else pose
