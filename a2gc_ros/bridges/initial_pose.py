"""AMCL, Nav2 and slam_toolbox: where the robot is, told once, when it is sure or when someone asks."""

from __future__ import annotations

from typing import Any, Final

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from std_srvs.srv import Trigger

from a2gc_ros.bridges.bridge import Recognised

TOPIC: Final = "initialpose"
SERVICE: Final = "~/publish_initial_pose"

LEAST_PROBABILITY: Final = 0.99
IN_A_ROW: Final = 3
"""Relocalizations that must come without a pause before the first pose is told."""

PAUSE_NS: Final = 10_000_000_000


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

    @property
    def armed(self) -> bool:
        """Whether the next sure pose goes out."""
        return self._armed

    def arm(self) -> None:
        """Lets the next sure pose out."""
        self._armed = True
        self._in_a_row = 0

    def passes(self, stamp_ns: int, probability: float | None) -> bool:
        """Says whether a relocalization goes out.

        Args:
            stamp_ns: Stamp of its image.
            probability: That it is right; one that nobody calibrated counts for nothing against it.
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
    """Publishes ``initialpose``, with the image's stamp: whoever listens moves it on by its own odometry.

    Args:
        node: Owns publisher and service.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._gate = InitialPoseGate()
        quality = QoSProfile(reliability=QoSReliabilityPolicy.RELIABLE, depth=1)
        self._publisher = node.create_lifecycle_publisher(PoseWithCovarianceStamped, TOPIC, quality)
        self._service = node.create_service(Trigger, SERVICE, self._on_asked)

    def publish(self, recognised: Recognised) -> None:
        """Publishes the pose, if there is one and the gate lets it through."""
        if recognised.pose is None:
            return
        stamp = recognised.pose.header.stamp
        stamp_ns = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
        if self._gate.passes(stamp_ns, recognised.pose_probability):
            self._publisher.publish(recognised.pose)

    def close(self) -> None:
        """Destroys publisher and service."""
        self._node.destroy_lifecycle_publisher(self._publisher)
        self._node.destroy_service(self._service)

    def _on_asked(self, request: Any, response: Any) -> Any:  # noqa: ARG002 - the interface of services
        self._gate.arm()
        response.success = True
        response.message = f"the next {IN_A_ROW} relocalizations in a row will be told on {TOPIC}, once"
        return response
