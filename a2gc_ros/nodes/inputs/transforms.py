"""Poses from /tf and /tf_static: by tf2_ros where this ROS brings it, else by a reader of our own."""

from __future__ import annotations

import importlib
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.time import Time

from a2gc_ros.bags.messages import stamp_of, values_of
from a2gc_ros.bags.trajectory import Quaternion, Trajectory, Vector
from a2gc_ros.bags.transforms import TransformTree
from a2gc_ros.geometry import Pose, pose_from_quaternion
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS
from a2gc_ros.nodes.inputs.stamped_buffers import NEAREST_NS, around

TRANSFORMS = "/tf"
STATIC_TRANSFORMS = "/tf_static"

KEPT_S = 20.0
"""Seconds of transforms that are kept: an image that waits longer for its turn gets no pose."""

POLL_S = 0.005

DEPTH = 200
"""A robot's joints come in many small messages."""


class RecentSamples:
    """The last seconds of one moving transform; meets what a tree of transforms asks of its samples."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Vector, Quaternion]] = deque()

    def add(self, stamp_ns: int, translation: Vector, rotation: Quaternion) -> None:
        """Adds a sample, drops those that are too old, and all of them where the clock went back."""
        if self._samples and stamp_ns <= self._samples[-1][0]:
            if stamp_ns >= self._samples[-1][0] - JUMP_BACK_NS:
                return
            self._samples.clear()
        # Raises where it is none, so that what is kept is sound.
        pose_from_quaternion(translation, rotation)
        self._samples.append((stamp_ns, translation, rotation))
        while self._samples[0][0] < stamp_ns - KEPT_S * 1e9:
            self._samples.popleft()

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest sample."""
        return self._samples[-1][0]

    def interpolate(self, stamp_ns: int) -> Pose | None:
        """Returns the pose at a stamp between two samples, or None."""
        neighbors = around(self._samples, stamp_ns)
        return Trajectory.from_samples(*zip(*neighbors, strict=True)).interpolate(stamp_ns) if neighbors else None


class OwnTransforms:
    """Reads /tf and /tf_static where there is no tf2_ros."""

    kind = "a2gc_ros"

    def __init__(self, node: Node, message_type: Any, group: CallbackGroup, on_error: Callable[[str], None]) -> None:
        self._node = node
        self._on_error = on_error
        self._condition = threading.Condition()
        self._tree = TransformTree(RecentSamples)
        self._closed = False
        self._subscriptions: list[Subscription[Any]] = [
            node.create_subscription(
                message_type, TRANSFORMS, partial(self._add, static=False), DEPTH, callback_group=group
            ),
            subscribe_static(node, message_type, partial(self._add, static=True), group),
        ]

    def connected(self, fixed: str, moving: str) -> bool:
        """Whether a chain of transforms leads from one frame to the other."""
        with self._condition:
            return self._tree.is_connected(fixed, moving)

    def pose_at(self, fixed: str, moving: str, stamp_ns: int, timeout_s: float) -> Pose | None:
        """Returns ``t_fixed_moving`` at a stamp.

        Args:
            fixed: Frame that stands still.
            moving: Frame of the robot.
            stamp_ns: Stamp of the image.
            timeout_s: Longest wait for the transforms to reach the stamp.

        Returns:
            The pose, interpolated, or the newest one where it is at most a quarter of a second older; else None.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._newest(fixed, moving) >= stamp_ns, timeout_s)
            newest = self._newest(fixed, moving)
            at = stamp_ns if newest >= stamp_ns or newest < stamp_ns - NEAREST_NS else newest
            return self._tree.lookup(fixed, moving, at)

    def close(self) -> None:
        """Ends the subscriptions and every wait."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _newest(self, fixed: str, moving: str) -> int:
        """Stamp up to which the whole chain is known: the end of time where nothing moves, -1 without a chain."""
        if not self._tree.is_connected(fixed, moving):
            return -1
        samples = self._tree.moving_between(fixed, moving)
        return min((entry.newest_ns for entry in samples), default=int(np.iinfo(np.int64).max))

    def _add(self, message: Any, *, static: bool) -> None:
        with self._condition:
            for edge in message.transforms:
                values = values_of(edge.transform.translation, edge.transform.rotation)
                try:
                    self._tree.add(
                        edge.header.frame_id, edge.child_frame_id, stamp_of(edge.header), *values, static=static
                    )
                except ValueError as error:
                    self._on_error(f"{edge.header.frame_id} to {edge.child_frame_id} is no pose: {error}")
            self._condition.notify_all()


class Tf2Transforms:
    """Asks tf2_ros."""

    kind = "tf2_ros"

    def __init__(self, node: Node, tf2_ros: Any) -> None:
        self._error: type[Exception] = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer(Duration(seconds=KEPT_S))
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)
        self._closed = threading.Event()

    def connected(self, fixed: str, moving: str) -> bool:
        """See :class:`OwnTransforms`."""
        return self._at(fixed, moving, 0) is not None

    def pose_at(self, fixed: str, moving: str, stamp_ns: int, timeout_s: float) -> Pose | None:
        """See :class:`OwnTransforms`."""
        end = time.monotonic() + timeout_s
        while (found := self._at(fixed, moving, stamp_ns)) is None and time.monotonic() <= end:
            # tf2's own wait follows the node's clock, and would never end where simulated time stands still.
            if self._closed.wait(POLL_S):
                break
        if found is None:
            if (found := self._at(fixed, moving, 0)) is None:
                return None
            behind_ns = stamp_ns - stamp_of(found.header)
            if behind_ns < -KEPT_S * 1e9:
                # The clock went back, as where a bag is looped: tf2 would refuse what comes as too old.
                self._buffer.clear()
            if not 0 <= behind_ns <= NEAREST_NS:
                return None
        return pose_from_quaternion(*values_of(found.transform.translation, found.transform.rotation))

    def close(self) -> None:
        """See :class:`OwnTransforms`."""
        self._closed.set()
        self._listener.unregister()

    def _at(self, fixed: str, moving: str, stamp_ns: int) -> Any | None:
        """Returns the transform at a stamp, the newest for 0, or None where tf2 knows none."""
        try:
            return self._buffer.lookup_transform_core(fixed, moving, Time(nanoseconds=stamp_ns))
        except self._error:
            return None


Transforms: TypeAlias = "OwnTransforms | Tf2Transforms"
"""A buffer of transforms that fills while the node spins; its ``kind`` says to people what reads them."""


def open_transforms(node: Node, group: CallbackGroup, on_error: Callable[[str], None]) -> Transforms | None:
    """Returns what reads /tf here, or None where this ROS, such as the wheels from PyPI, has no tf2_msgs."""
    try:
        return Tf2Transforms(node, importlib.import_module("tf2_ros"))
    except ImportError:
        message_type = transform_message()
        return None if message_type is None else OwnTransforms(node, message_type, group, on_error)


def transform_message() -> Any | None:
    """Returns the class tf2_msgs/TFMessage, or None where it is not installed."""
    try:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        return None


def subscribe_static(
    node: Node, message_type: Any, callback: Callable[[Any], None], group: CallbackGroup
) -> Subscription[Any]:
    """Subscribes to /tf_static, which is latched: whoever comes late gets what was sent before."""
    return node.create_subscription(message_type, STATIC_TRANSFORMS, callback, qos.latched(DEPTH), callback_group=group)
