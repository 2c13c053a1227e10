"""LIO-SAM and LVI-SAM: two stamps on a topic; they look for the relative pose by aligning scans themselves."""

from __future__ import annotations

from typing import Final

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from std_msgs.msg import Float64MultiArray

from a2gc_ros.bridges.bridge import Recognized
from a2gc_ros.loops.results import LoopClosure

TOPIC: Final = "lio_loop/loop_closure_detection"

LEAST_GAP_S: Final = 30.0
"""Their ``historyKeyframeSearchTimeDiff``: what is nearer in time they drop."""


class LioSamBridge:
    """Publishes the newest closure of each image."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        # They keep one message at a time, best effort; so does this side, for a stale closure helps nobody.
        quality = QoSProfile(reliability=QoSReliabilityPolicy.BEST_EFFORT, history=QoSHistoryPolicy.KEEP_LAST, depth=1)
        self._publisher = node.create_lifecycle_publisher(Float64MultiArray, TOPIC, quality)

    def publish(self, recognized: Recognized) -> None:
        """Publishes the newest closure of the live session that they would not drop."""
        for closure in recognized.detection.closures:
            message = closure_message(closure)
            if message is not None:
                self._publisher.publish(message)
                return

    def close(self) -> None:
        """Destroys the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def closure_message(closure: LoopClosure) -> Float64MultiArray | None:
    """Returns exactly two numbers, the later and the earlier stamp in seconds; None for what they would drop."""
    match = closure.match
    gap_s = (match.query_stamp_ns - match.keyframe_stamp_ns) / 1e9
    if closure.is_relocalization or gap_s < LEAST_GAP_S:
        return None
    return Float64MultiArray(data=[match.query_stamp_ns / 1e9, match.keyframe_stamp_ns / 1e9])
