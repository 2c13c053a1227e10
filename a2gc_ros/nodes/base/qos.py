"""Quality of service of the nodes' topics; all keep the last messages."""

from __future__ import annotations

from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy


def sensor_stream(depth: int = 50) -> QoSProfile:
    """For images, odometry and calibration: best effort, so that it matches every publisher, with room for bursts."""
    return QoSProfile(depth=depth, reliability=QoSReliabilityPolicy.BEST_EFFORT)


def results(depth: int = 10) -> QoSProfile:
    """For what a node says: reliable, so that it matches every subscriber."""
    return QoSProfile(depth=depth, reliability=QoSReliabilityPolicy.RELIABLE)


def latched(depth: int) -> QoSProfile:
    """For what holds until it is said again: whoever comes late gets what was sent before."""
    return QoSProfile(
        depth=depth, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL
    )
