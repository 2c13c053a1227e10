"""A bridge: every loop closure as one line of JSON in a std_msgs/String, for a back end that reads text."""

from __future__ import annotations

import json

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from a2gc_ros.bridges.base_closure import base_closure
from a2gc_ros.bridges.bridge import Recognized

TOPIC = "closures_json"


class JsonLinesBridge:
    """Publishes closures whose poses are in metres, with the robot's pose at the query in that of the keyframe.

    Args:
        node: Owns the publisher.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publisher = node.create_lifecycle_publisher(String, TOPIC, 10)

    def publish(self, recognized: Recognized) -> None:
        """Publishes the closures of an image."""
        for closure in recognized.detection.closures:
            base = base_closure(closure, recognized.t_base_camera)
            if base is not None:
                line = {
                    "query_ns": closure.match.query_stamp_ns,
                    "keyframe_ns": closure.match.keyframe_stamp_ns,
                    "t_keyframe_query": base.pose.tolist(),
                }
                self._publisher.publish(String(data=json.dumps(line)))

    def close(self) -> None:
        """Destroys the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
