"""Other SLAM systems, as far as they decide what becomes of a closure: their published rules of acceptance.

Each is a node of its own on the graph and keeps what it took and why it refused the rest. What follows, such as ICP
over LiDAR scans, is not here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from ros_probe import Probe
from std_msgs.msg import Float64MultiArray

from a2gc_ros import geometry

LAST = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)


class LioSam:
    """``mapOptimization`` of LIO-SAM (branch ros2): a queue of five, looked at once a second.

    Args:
        probe: Owns the subscription.
        topic: Where it listens.
        keyframes_s: Stamps of its LiDAR keyframes.
        least_gap_s: ``historyKeyframeSearchTimeDiff``.
    """

    def __init__(self, probe: Probe, topic: str, keyframes_s: list[float], least_gap_s: float = 30.0) -> None:
        self.keyframes_s, self.least_gap_s = keyframes_s, least_gap_s
        self.queue: list[tuple[float, ...]] = []
        self.loops: dict[int, int] = {}
        self.refused: list[str] = []
        probe.node.create_subscription(Float64MultiArray, topic, self._on_pair, LAST)

    not_before: Callable[[float, float], bool] = staticmethod(operator.ge)

    def _on_pair(self, message: Float64MultiArray) -> None:
        if len(message.data) == 2:
            self.queue = [*self.queue, tuple(message.data)][-5:]

    def step(self) -> None:
        """One turn of its loop closure thread."""
        if not self.queue:
            return
        current_s, previous_s = self.queue.pop(0)
        later = [i for i, stamp in enumerate(self.keyframes_s) if self.not_before(stamp, current_s)]
        earlier = [i for i, stamp in enumerate(self.keyframes_s) if self.not_before(previous_s, stamp)]
        current = later[0] if later else len(self.keyframes_s) - 1
        previous = earlier[-1] if earlier else 0
        if abs(current_s - previous_s) < self.least_gap_s:
            self.refused.append("too near in time")
        elif current == previous or current in self.loops:
            self.refused.append("that keyframe has a loop")
        else:
            self.loops[current] = previous


class LviSam(LioSam):
    """LVI-SAM takes the same pair at once, and none for five seconds of LiDAR time after one came."""

    not_before = staticmethod(operator.gt)

    def __init__(self, probe: Probe, topic: str, keyframes_s: list[float]) -> None:
        super().__init__(probe, topic, keyframes_s)
        self._last_s = -5.0

    def _on_pair(self, message: Float64MultiArray) -> None:
        if self.keyframes_s[-1] - self._last_s < 5.0:
            self.refused.append("one came less than five seconds ago")
            return
        self._last_s = self.keyframes_s[-1]
        super()._on_pair(message)
        self.step()


class Amcl:
    """``amcl_node`` of Nav2: frame, finite numbers, a unit quaternion, inside the map; then the way since the stamp.

    Args:
        probe: Owns the subscription.
        topic: Where it listens.
        odometry: ``t_odom_base`` by stamp in nanoseconds: its buffer of transforms.
        now_ns: What its clock says.
        map_size: Cells of the map, which positions are compared with.
    """

    BUFFER_NS = 10_000_000_000

    def __init__(self, probe: Probe, topic: str, odometry: dict[int, Any], map_size: tuple[int, int]) -> None:
        self.odometry, self.map_size = odometry, map_size
        self.now_ns = 0
        self.poses: list[Any] = []
        self.covariances: list[Any] = []
        self.refused: list[str] = []
        probe.node.create_subscription(PoseWithCovarianceStamped, topic, self._on_pose, 1)

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        at, q = message.pose.pose.position, message.pose.pose.orientation
        numbers = [at.x, at.y, at.z, q.x, q.y, q.z, q.w, *message.pose.covariance]
        if not np.isfinite(numbers).all() or abs(q.x**2 + q.y**2 + q.z**2 + q.w**2 - 1) >= 1e-4:
            self.refused.append("malformed")
        elif message.header.frame_id.lstrip("/") != "map":
            self.refused.append(f"frame {message.header.frame_id}")
        elif abs(at.x) > self.map_size[0] or abs(at.y) > self.map_size[1]:
            self.refused.append("out of the map")
        else:
            stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            pose = geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))
            if stamp_ns in self.odometry and self.now_ns - stamp_ns < self.BUFFER_NS:
                pose = pose @ geometry.relative(self.odometry[stamp_ns], self.odometry[self.now_ns])
            self.poses.append(pose)
            self.covariances.append(np.reshape(message.pose.covariance, (6, 6))[np.ix_([0, 1, 5], [0, 1, 5])])


class SlamToolbox:
    """slam_toolbox in localization mode: the next scan is looked for around the pose, whatever its stamp."""

    def __init__(self, probe: Probe, topic: str) -> None:
        self.poses: list[Any] = []
        probe.node.create_subscription(PoseWithCovarianceStamped, topic, self._on_pose, 1)

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        at, q = message.pose.pose.position, message.pose.pose.orientation
        self.poses.append(geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w)))


class Rtabmap:
    """RTAB-Map: nodes in its graph, the service ``add_link``, and ``RGBD/OptimizeMaxError``.

    A link bends the graph by what it says more than the poses do; it is refused where that is more than so many of its
    own standard deviations. An answer says nothing, as RTAB-Map's: the graph that follows does.

    Args:
        probe: Owns publisher and service.
        namespace: Of ``rtabmap``.
        poses: ``t_map_base`` by stamp in nanoseconds, one for each node; the numbers of nodes count from 1.
        service: Name of the service.
    """

    def __init__(self, probe: Probe, namespace: str, poses: dict[int, Any], service: str = "rtabmap/add_link") -> None:
        from rtabmap_msgs.msg import MapData
        from rtabmap_msgs.srv import AddLink

        self.poses = poses
        self.links: list[Any] = []
        self.refused: list[str] = []
        self.most_error = 3.0
        self._map_data = probe.publisher(MapData, f"{namespace}/mapData")
        self._node = probe.node
        self._service = probe.node.create_service(AddLink, f"{namespace}/{service}", self._on_link)

    def close(self) -> None:
        """Ends the service: a bridge looks for one by its type."""
        self._node.destroy_service(self._service)

    def publish(self) -> None:
        """Publishes the graph, with every node's data."""
        from rtabmap_msgs.msg import MapData, Node

        message = MapData(nodes=[Node(id=i, stamp=ns / 1e9) for i, ns in enumerate(self.poses, 1)])
        message.graph.links = self.links
        self._map_data.publish(message)

    def _on_link(self, request: Any, response: Any) -> Any:
        link = request.link
        nodes = dict(enumerate(self.poses.values(), 1))
        if link.from_id not in nodes or link.to_id not in nodes or link.type != 4:
            self.refused.append("no such node or type")
            return response
        at, q = link.transform.translation, link.transform.rotation
        told = geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))
        held = geometry.relative(nodes[link.from_id], nodes[link.to_id])
        deviation = np.sqrt(np.linalg.inv(np.reshape(link.information, (6, 6))).diagonal()[:3].max())
        if geometry.distance(told, held) / deviation > self.most_error:
            self.refused.append("bends the graph too much")
        else:
            self.links.append(link)
        return response


class Hydra:
    """Hydra's ``external_loop_closures``: nearest agent node in time, not before it is there, not too far.

    Args:
        probe: Owns the subscription.
        topic: Where it listens.
        nodes_ns: Stamps of the agent's nodes.
        most_difference_s: ``max_time_difference``.
    """

    def __init__(self, probe: Probe, topic: str, nodes_ns: list[int], most_difference_s: float = 1.0) -> None:
        from pose_graph_tools_msgs.msg import PoseGraph

        self.nodes_ns, self.most_difference_s = nodes_ns, most_difference_s
        self.waiting: list[Any] = []
        self.factors: list[tuple[int, int, Any]] = []
        self.refused: list[str] = []
        probe.node.create_subscription(PoseGraph, topic, lambda message: self.waiting.extend(message.edges), 10)

    def update(self) -> None:
        """One turn of its back end; a factor is (to, from, to_T_from) in numbers of nodes."""
        still = []
        for edge in self.waiting:
            ends = [self._nearest(key) for key in (edge.key_from, edge.key_to)]
            if edge.robot_from != 0 or edge.robot_to != 0 or "far" in ends:
                self.refused.append("too far in time, or another robot")
            elif "later" in ends:
                still.append(edge)
            else:
                self.factors.append((ends[1], ends[0], pose_of(edge.pose)))
        self.waiting = still

    def _nearest(self, stamp_ns: int) -> Any:
        if not self.nodes_ns or stamp_ns > max(self.nodes_ns):
            return "later"
        nearest = min(range(len(self.nodes_ns)), key=lambda i: abs(self.nodes_ns[i] - stamp_ns))
        return "far" if abs(self.nodes_ns[nearest] - stamp_ns) / 1e9 >= self.most_difference_s else nearest


class KimeraPgmo:
    """Kimera-PGMO's deformation graph: both keys are poses that it has, the pose is that of ``to`` in ``from``."""

    def __init__(self, probe: Probe, topic: str, poses: int) -> None:
        from pose_graph_tools_msgs.msg import PoseGraph

        self.poses = poses
        self.factors: list[tuple[int, int, Any]] = []
        self.refused: list[str] = []
        probe.node.create_subscription(PoseGraph, topic, self._on_graph, 10)

    def _on_graph(self, message: Any) -> None:
        for edge in message.edges:
            if edge.type != edge.LOOPCLOSE or edge.key_from >= self.poses or edge.key_to > self.poses:
                self.refused.append("skipping keys")
            else:
                self.factors.append((edge.key_from, edge.key_to, pose_of(edge.pose)))


def pose_of(message: Any) -> Any:
    at, q = message.position, message.orientation
    return geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))
