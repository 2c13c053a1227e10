"""Where the camera sits on the robot: from /tf_static where ROS brings its message, else from a parameter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription

from a2gc_ros.bags.messages import values_of
from a2gc_ros.bags.pose_source import extrinsics
from a2gc_ros.bags.transforms import RecordedSamples, TransformTree
from a2gc_ros.geometry import Pose
from a2gc_ros.nodes.inputs.transforms import STATIC_TRANSFORMS, subscribe_static, transform_message

PATIENCE_S = 10.0
"""So long who publishes /tf_static may take to say where the camera is, before an assumption takes its place."""

SAME = 1e-6
"""Metres, and entries of rotation matrices, by which two equal mountings may differ."""


class CameraExtrinsics:
    """Collects fixed transforms and answers where the camera is.

    Args:
        otherwise: ``t_base_camera`` where no chain of fixed transforms leads from the robot to the camera.
        patience_s: Seconds to wait for such a chain where somebody publishes /tf_static; 0 for none.
        on_moved: Told when the answer changes, since what was kept with the former one does not fit the new one.
    """

    def __init__(self, otherwise: Pose, patience_s: float = 0.0, on_moved: Callable[[], None] | None = None) -> None:
        self._otherwise = otherwise
        self._patience_s = patience_s
        self._on_moved = on_moved
        self._tree = TransformTree(RecordedSamples)
        self._lock = threading.Lock()
        self._begin_s = time.monotonic()
        self._is_published: Callable[[], bool] = bool
        self._given: Pose | None = None
        self.source = "not asked yet"

    def subscribe(self, node: Node, group: CallbackGroup, on_error: Callable[[str], None]) -> list[Subscription[Any]]:
        """Listens to /tf_static; a ROS without tf2_msgs, such as the wheels, has no such topic to listen to."""
        message_type = transform_message()
        if message_type is None:
            return []

        def on_message(message: Any) -> None:
            for edge in message.transforms:
                try:
                    self.add(edge)
                except ValueError as error:
                    on_error(f"{STATIC_TRANSFORMS} holds no pose: {error}")

        self._is_published = lambda: node.count_publishers(STATIC_TRANSFORMS) > 0
        return [subscribe_static(node, message_type, on_message, group)]

    def add(self, edge: Any) -> None:
        """Adds a geometry_msgs/TransformStamped that never changes.

        Raises:
            ValueError: If it is no pose.
        """
        values = values_of(edge.transform.translation, edge.transform.rotation)
        with self._lock:
            self._tree.add(edge.header.frame_id, edge.child_frame_id, 0, *values, static=True)

    def pose(self, base_frame: str, camera_frame: str) -> Pose | None:
        """Returns ``t_base_camera``, or None while it may yet be told.

        Args:
            base_frame: Frame that odometry moves; empty where it did not name one.
            camera_frame: Frame of the images.
        """
        with self._lock:
            pose = extrinsics(self._tree, base_frame, camera_frame)
        if pose is not None:
            self.source = STATIC_TRANSFORMS
        elif time.monotonic() - self._begin_s < self._patience_s and self._is_published():
            self.source = f"awaited on {STATIC_TRANSFORMS}"
            return None
        else:
            self.source = "camera_pose"
            pose = self._otherwise
        if self._given is not None and not np.allclose(pose, self._given, atol=SAME) and self._on_moved is not None:
            self._on_moved()
        self._given = pose
        return pose
