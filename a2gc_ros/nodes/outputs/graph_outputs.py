"""What the pose graph node publishes: the corrected path, where odometry lies in the map, and the graph for RViz."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import PoseStamped, Transform, TransformStamped, Vector3
from nav_msgs.msg import Path
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.geometry import Pose
from a2gc_ros.nodes.base import qos
from a2gc_ros.nodes.base.conversions import header_message, point_message, pose_message
from a2gc_ros.nodes.inputs.transforms import DEPTH, TRANSFORMS, transform_message
from a2gc_ros.nodes.outputs.markers import BLUE, GREEN, MOST_POINTS, YELLOW, marker
from a2gc_ros.slam.session import SlamSession


class GraphOutputs:
    """Publishes a graph. Path and markers are made only while someone listens."""

    def __init__(self, node: LifecycleNode, map_frame: str, *, publish_tf: bool) -> None:
        self._node = node
        self._map_frame = map_frame
        create = node.create_lifecycle_publisher
        self._pose = create(PoseStamped, "corrected_pose", qos.results())
        self._transform = create(TransformStamped, "map_to_odom", qos.results())
        self._path = create(Path, "corrected_path", qos.results(1))
        self._markers = create(MarkerArray, "~/markers", qos.results(1))
        message_type = transform_message() if publish_tf else None
        self._tf = None if message_type is None else create(message_type, TRANSFORMS, qos.results(DEPTH))

    @property
    def has_tf(self) -> bool:
        """Whether transforms go to /tf."""
        return self._tf is not None

    def close(self) -> None:
        """Destroys the publishers."""
        for publisher in filter(None, (self._pose, self._transform, self._path, self._markers, self._tf)):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish_pose(self, stamp_ns: int, t_odom_base: Pose, t_map_odom: Pose, odom_frame: str) -> None:
        """Publishes where robot and odometry are in the map at the stamp of an odometry message."""
        header = header_message(stamp_ns, self._map_frame)
        self._pose.publish(PoseStamped(header=header, pose=pose_message(t_map_odom @ t_odom_base)))
        placed = pose_message(t_map_odom)
        translation = Vector3(x=placed.position.x, y=placed.position.y, z=placed.position.z)
        message = TransformStamped(
            header=header,
            child_frame_id=odom_frame,
            transform=Transform(translation=translation, rotation=placed.orientation),
        )
        self._transform.publish(message)
        if self._tf is not None:
            self._tf.publish(self._tf.msg_type(transforms=[message]))

    def publish_graph(self, session: SlamSession) -> None:
        """Publishes the whole path and the graph."""
        listeners = self._path.get_subscription_count(), self._markers.get_subscription_count()
        if not any(listeners) or session.newest_ns is None:
            return
        nodes = session.nodes()
        if listeners[0]:
            self._path.publish(path_message(nodes, self._map_frame))
        if listeners[1]:
            self._markers.publish(graph_markers(session, nodes, header_message(0, self._map_frame)))


def path_message(nodes: Trajectory, frame: str) -> Path:
    """Returns a trajectory as a Path; its own stamp is that of the last pose."""
    poses = [
        PoseStamped(header=header_message(int(stamp), frame), pose=pose_message(nodes.pose(i)))
        for i, stamp in enumerate(nodes.stamps_ns)
    ]
    return Path(header=header_message(int(nodes.stamps_ns[-1]), frame), poses=poses)


def graph_markers(session: SlamSession, nodes: Trajectory, header: Header) -> MarkerArray:
    """Returns the way as a line, and closures as lines: green where the graph agrees, yellow where it does not."""
    step = 1 + len(nodes) // MOST_POINTS
    way = [point_message(position) for position in nodes.positions[::step]]
    markers = [marker(header, 0, "way", Marker.LINE_STRIP, BLUE, way if len(way) > 1 else [])]
    closures = [] if session.graph is None else session.graph.closures
    agreeing = np.zeros(0, bool) if session.graph is None else session.graph.agreeing()
    for number, (name, color, agrees) in enumerate((("agrees", GREEN, True), ("contradicts", YELLOW, False)), start=1):
        ends = [
            point_message(nodes.positions[end])
            for closure, agreed in zip(closures, agreeing, strict=True)
            if bool(agreed) is agrees
            for end in (closure.earlier, closure.later)
        ]
        markers.append(marker(header, number, name, Marker.LINE_LIST, color, ends))
    return MarkerArray(markers=markers)
