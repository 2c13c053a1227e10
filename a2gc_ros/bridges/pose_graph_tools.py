"""pose_graph_tools' PoseGraph, as Hydra and Kimera-PGMO read it: alike in type, not in meaning."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy

from a2gc_ros.bridges.base_closure import BaseClosure, base_closure
from a2gc_ros.bridges.bridge import Recognized, message_package, write_pose

Convention: TypeAlias = Literal["hydra", "kimera_pgmo"]
"""``hydra``: keys are stamps in nanoseconds, the pose is that of ``from`` in ``to``. ``kimera_pgmo``: keys are the ids
of keyframes, the pose is that of ``to`` in ``from``."""

TOPICS: Final[dict[Convention, str]] = {"hydra": "external_loop_closures", "kimera_pgmo": "pose_graph_incremental"}
LOOP_CLOSURE: Final = 1


class PoseGraphToolsBridge:
    """Publishes every closure with a pose in metres.

    Raises:
        ConfigError: If the messages are not installed.
    """

    def __init__(self, node: LifecycleNode, convention: Convention) -> None:
        self._node, self._convention = node, convention
        self._types = message_package("pose_graph_tools_msgs.msg", convention)
        quality = QoSProfile(reliability=QoSReliabilityPolicy.RELIABLE, depth=100)
        self._publisher = node.create_lifecycle_publisher(self._types.PoseGraph, TOPICS[convention], quality)

    def publish(self, recognized: Recognized) -> None:
        """Publishes the closures of an image, if there are any."""
        found = [base_closure(closure, recognized.t_base_camera) for closure in recognized.detection.closures]
        message = graph_message(self._types, self._convention, [closure for closure in found if closure is not None])
        if message.edges:
            self._publisher.publish(message)

    def close(self) -> None:
        """Destroys the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)


def hydra(node: LifecycleNode) -> PoseGraphToolsBridge:
    """Opens the bridge to Hydra."""
    return PoseGraphToolsBridge(node, "hydra")


def kimera_pgmo(node: LifecycleNode) -> PoseGraphToolsBridge:
    """Opens the bridge to Kimera-PGMO."""
    return PoseGraphToolsBridge(node, "kimera_pgmo")


def graph_message(types: Any, convention: Convention, closures: list[BaseClosure]) -> Any:
    """Returns a PoseGraph with one edge for each closure; ``types`` is the module ``pose_graph_tools_msgs.msg``.

    A closure whose query was not kept has no key for Kimera-PGMO and is left out.
    """
    message = types.PoseGraph()
    for closure in closures:
        if convention == "hydra":
            keys = closure.query_stamp_ns, closure.keyframe_stamp_ns
            pose, covariance = closure.pose, closure.covariance
        elif closure.query_id is None:
            continue
        else:
            keys = closure.query_id, closure.keyframe_id
            pose, covariance = closure.reversed()
        edge = types.PoseGraphEdge()
        edge.header.stamp.sec, edge.header.stamp.nanosec = divmod(closure.query_stamp_ns, 1_000_000_000)
        edge.key_from, edge.key_to = keys
        edge.robot_from = edge.robot_to = 0
        edge.type = LOOP_CLOSURE
        write_pose(edge.pose.position, edge.pose.orientation, pose)
        edge.covariance = covariance.reshape(36)
        message.edges.append(edge)
        message.header.stamp = edge.header.stamp
    return message
