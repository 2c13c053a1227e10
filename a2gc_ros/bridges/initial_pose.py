"""AMCL, Nav2 and slam_toolbox: where the robot is, told once, when it is sure or when someone asks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from std_srvs.srv import Trigger

from a2gc_ros import geometry
from a2gc_ros.bridges.bridge import Recognized, write_pose
from a2gc_ros.geometry import Pose

TOPIC: Final = "initialpose"
SERVICE: Final = "~/publish_initial_pose"

LEAST_PROBABILITY: Final = 0.99
IN_A_ROW: Final = 3
"""Relocalizations that must come without a pause before the first pose is told."""

PAUSE_NS: Final = 10_000_000_000

MOST_AGE_NS: Final = 1_000_000_000
"""How old a pose may be at most where no odometry tells the way since. slam_toolbox takes every pose as one of now, and
AMCL does so for what is older than its buffer of transforms, which is ten seconds."""

MOST_KEPT: Final = 1000
"""Images whose odometry is remembered."""


class Way:
    """What odometry says of the way between images."""

    def __init__(self) -> None:
        self._poses: OrderedDict[int, Pose] = OrderedDict()

    def note(self, stamp_ns: int, t_odom_base: Pose) -> None:
        """Remembers where an image was taken."""
        if self._poses and stamp_ns < next(reversed(self._poses)):
            # A recording that begins anew has another way.
            self._poses.clear()
        self._poses[stamp_ns] = t_odom_base
        if len(self._poses) > MOST_KEPT:
            self._poses.popitem(last=False)

    def between(self, then_ns: int, now_ns: int) -> Pose | None:
        """Returns ``t_baseThen_baseNow`` of two images, or None where one of them was taken nobody knows where."""
        then, now = self._poses.get(then_ns), self._poses.get(now_ns)
        return None if then is None or now is None else geometry.relative(then, now)


def moved_on(pose: PoseWithCovarianceStamped, way: Pose, stamp_ns: int) -> PoseWithCovarianceStamped:
    """Returns a pose as it is a way later.

    Args:
        pose: ``t_map_base`` then, with its covariance: x, y, z, rotation about the map's X, Y, Z.
        way: ``t_baseThen_baseNow``; its own error, that of odometry over a few metres, is not added.
        stamp_ns: Of now.
    """
    at, q = pose.pose.pose.position, pose.pose.pose.orientation
    then = geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))
    now = then @ way
    moved = PoseWithCovarianceStamped()
    moved.header.frame_id = pose.header.frame_id
    moved.header.stamp.sec, moved.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    write_pose(moved.pose.pose.position, moved.pose.pose.orientation, now)
    # A small rotation d about the map's axes then moves the robot by d x (its way in the map).
    lever = np.eye(6)
    lever[:3, 3:] = -geometry.skew(now[:3, 3] - then[:3, 3])
    moved.pose.covariance = (lever @ np.reshape(pose.pose.covariance, (6, 6)) @ lever.T).ravel()
    return moved


class InitialPoseGate:
    """Lets one pose through, and then no more until someone asks.

    A filter that is told a pose forgets what it knew; one that is told a pose again and again never gets to know
    anything. So a pose goes out once after the start, when several relocalizations followed one another and the
    last is likely enough, and afterwards only when asked for.
    """

    def __init__(self) -> None:
        self._armed = True
        self._in_a_row = 0
        self._last_ns: int | None = None

    def arm(self) -> None:
        """Lets the next sure pose out."""
        self._armed = True
        self._in_a_row = 0

    def passes(self, stamp_ns: int, probability: float | None) -> bool:
        """Says whether the relocalization of an image goes out.

        A probability that nobody calibrated, None, counts for nothing against it.
        """
        if self._last_ns is not None and not 0 <= stamp_ns - self._last_ns <= PAUSE_NS:
            self._in_a_row = 0
        self._last_ns = stamp_ns
        if probability is not None and probability < LEAST_PROBABILITY:
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        if not self._armed or self._in_a_row < IN_A_ROW:
            return False
        self._armed = False
        return True


class InitialPoseBridge:
    """Publishes ``initialpose`` as of the newest image.

    A relocalization may be about an earlier image, held back until later ones made it sure: it is moved on by the
    odometry since, and where there is none, an old one is not told.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._gate = InitialPoseGate()
        self._way = Way()
        quality = QoSProfile(reliability=QoSReliabilityPolicy.RELIABLE, depth=1)
        self._publisher = node.create_lifecycle_publisher(PoseWithCovarianceStamped, TOPIC, quality)
        self._service = node.create_service(Trigger, SERVICE, self._on_asked)

    def publish(self, recognized: Recognized) -> None:
        """Publishes the pose, if there is one and the gate lets it through."""
        now_ns = recognized.stamp_ns
        if recognized.t_odom_base is not None:
            self._way.note(now_ns, recognized.t_odom_base)
        if recognized.pose is None:
            return
        stamp = recognized.pose.header.stamp
        then_ns = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
        way = self._way.between(then_ns, now_ns)
        if way is None and now_ns - then_ns > MOST_AGE_NS:
            return
        if self._gate.passes(now_ns, recognized.pose_probability):
            self._publisher.publish(recognized.pose if way is None else moved_on(recognized.pose, way, now_ns))

    def close(self) -> None:
        """Destroys publisher and service."""
        self._node.destroy_lifecycle_publisher(self._publisher)
        self._node.destroy_service(self._service)

    def _on_asked(self, request: Any, response: Any) -> Any:  # noqa: ARG002 - the interface of services
        self._gate.arm()
        response.success = True
        response.message = f"the next {IN_A_ROW} relocalizations in a row will be told on {TOPIC}, once"
        return response
