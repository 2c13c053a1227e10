"""RTAB-Map: our descriptors for its own loop detection, and our closures as links between its nodes."""

from __future__ import annotations

import struct
import threading
import zlib
from bisect import bisect_left
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy

from a2gc_ros.bridges.base_closure import BaseClosure, base_closure
from a2gc_ros.bridges.bridge import Recognized, message_package, write_pose

DESCRIPTOR_TYPE: Final = 1
"""The only type RTAB-Map compares."""

USER_CLOSURE: Final = 4
_CV_32FC1: Final = 5
NEAR_NS: Final = 500_000_000
"""A node this near in time to an image stands for it: RTAB-Map keeps one image a second by default."""

MAP_DATA: Final = "rtabmap/mapData"
ADD_LINK: Final = "rtabmap/rtabmap/add_link"
"""As rtabmap_launch's rtabmap.launch.py has them: node and namespace are both called rtabmap, and services lie below
their node."""

MOST_PENDING: Final = 100
MOST_IMAGES: Final = 10
MOST_TRIES: Final = 3


def compressed_row(descriptor: npt.NDArray[np.float32]) -> bytes:
    """Packs a descriptor as RTAB-Map packs a cv::Mat: zlib of the row, then three int32, rows, columns and type."""
    row = np.ascontiguousarray(descriptor, dtype="<f4").reshape(1, -1)
    return zlib.compress(row.tobytes()) + struct.pack("<3i", 1, row.shape[1], _CV_32FC1)


def descriptor_message(types: Any, stamp_ns: int, frame_id: str, descriptor: npt.NDArray[np.float32]) -> Any:
    """Returns a GlobalDescriptor; ``types`` is the module ``rtabmap_msgs.msg``."""
    message = types.GlobalDescriptor()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    message.header.frame_id = frame_id
    message.type = DESCRIPTOR_TYPE
    message.data = compressed_row(descriptor)
    return message


def link_message(types: Any, from_id: int, to_id: int, closure: BaseClosure) -> Any:
    """Returns a user closure: from the keyframe's node to the query's, the query's base in the keyframe's."""
    link = types.Link()
    link.from_id, link.to_id, link.type = from_id, to_id, USER_CLOSURE
    write_pose(link.transform.translation, link.transform.rotation, closure.pose)
    # A direction without error would have infinite information; 1 mm and 0.05 degrees are below what a camera knows.
    regular = closure.covariance + np.diag([1e-6] * 6)
    link.information = np.linalg.inv(regular).reshape(36)
    return link


class NodeIds:
    """Which node of RTAB-Map's graph belongs to which image, learned from ``mapData``."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, int]] = []
        self._links: set[frozenset[int]] = set()

    def learn(self, map_data: Any) -> None:
        """Takes in a MapData message: its nodes' stamps, and the links of its graph."""
        known = {number: stamp_ns for stamp_ns, number in self._nodes}
        known |= {int(node.id): round(float(node.stamp) * 1e9) for node in map_data.nodes if node.stamp > 0}
        self._nodes = sorted((stamp_ns, number) for number, stamp_ns in known.items())
        # The graph is sent whole each time: a link that was refused or removed is no longer in it.
        closures = [link for link in map_data.graph.links if link.type == USER_CLOSURE]
        self._links = {frozenset((link.from_id, link.to_id)) for link in closures}

    def at(self, stamp_ns: int) -> int | None:
        """Returns the node nearest in time, or None where none is within half a second."""
        index = bisect_left(self._nodes, (stamp_ns,))
        apart = [(abs(stamp - stamp_ns), number) for stamp, number in self._nodes[max(0, index - 1) : index + 1]]
        near = [(apart_ns, number) for apart_ns, number in apart if apart_ns <= NEAR_NS]
        return min(near)[1] if near else None

    def has_link(self, a: int, b: int) -> bool:
        """Whether the graph holds a user closure between two nodes."""
        return frozenset((a, b)) in self._links


@dataclass
class _Pending:
    closure: BaseClosure
    tries: int = 0


class RtabmapBridge:
    """Sends descriptors and links.

    RTAB-Map takes a descriptor with its image: what comes on ``rgbd_image`` goes on to ``rgbd_image_described`` with
    the descriptor in it. Only described images go on, since it compares nodes by descriptors only where all have one.

    A link waits until both of its nodes are in ``mapData``, is sent by ``add_link``, and is looked for in the graphs
    that follow; one that is not there is sent again, three times in all: RTAB-Map refuses what bends its graph
    too much.

    Raises:
        ConfigError: If RTAB-Map's messages are not installed.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._types = message_package("rtabmap_msgs.msg", "rtabmap")
        self._services = message_package("rtabmap_msgs.srv", "rtabmap")
        # Images and map data come in the executor's threads, detections in the recognizer's.
        self._lock = threading.Lock()
        self._ids = NodeIds()
        self._pending: deque[_Pending] = deque(maxlen=MOST_PENDING)
        quality = QoSProfile(reliability=QoSReliabilityPolicy.RELIABLE, depth=10)
        self._images: OrderedDict[int, Any] = OrderedDict()
        self._described = node.create_lifecycle_publisher(self._types.RGBDImage, "rgbd_image_described", quality)
        newest = QoSProfile(reliability=QoSReliabilityPolicy.BEST_EFFORT, depth=5)
        listen = node.create_subscription
        self._subscriptions = [
            listen(self._types.RGBDImage, "rgbd_image", self._on_image, newest),
            listen(self._types.MapData, MAP_DATA, self._on_map_data, quality),
        ]
        self._client: Any = None
        self._told_of_silence = self._told_of_choice = False

    def publish(self, recognized: Recognized) -> None:
        """Sends the image on with its descriptor, and keeps its closures until their nodes are known."""
        with self._lock:
            image = self._images.pop(recognized.stamp_ns, None)
        if image is not None:
            image.global_descriptor = descriptor_message(
                self._types, recognized.stamp_ns, recognized.frame_id, recognized.descriptor
            )
            self._described.publish(image)
        for closure in recognized.detection.closures:
            found = base_closure(closure, recognized.t_base_camera)
            if found is not None:
                with self._lock:
                    self._pending.append(_Pending(found))
                self._say_if_silent()

    def close(self) -> None:
        """Destroys publisher, subscription and client."""
        self._node.destroy_lifecycle_publisher(self._described)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._client is not None:
            self._node.destroy_client(self._client)

    def _say_if_silent(self) -> None:
        """Says once that no map data comes, which links wait for, and which topics have some."""
        topic = self._node.resolve_topic_name(MAP_DATA)
        if self._told_of_silence or self._node.count_publishers(topic):
            return
        self._told_of_silence = True
        kind = "rtabmap_msgs/msg/MapData"
        others = [name for name, types in self._node.get_topic_names_and_types() if kind in types]
        others = [name for name in others if self._node.count_publishers(name)]
        found = f"there is {', '.join(others)}: remap {MAP_DATA} to it" if others else "is RTAB-Map running?"
        self._node.get_logger().warning(
            f"links wait for RTAB-Map's map data, which nobody publishes on {topic}; {found}"
        )

    def _add_link(self) -> Any | None:
        """Returns the client of the service, or None while there is no service.

        Its name depends on RTAB-Map's version, namespace and node: where none has the expected name, it is the only one
        of its type.
        """
        if self._client is None:
            kind = "rtabmap_msgs/srv/AddLink"
            names = [name for name, types in self._node.get_service_names_and_types() if kind in types]
            wanted = self._node.resolve_service_name(ADD_LINK)
            if wanted in names or len(names) == 1:
                name = ADD_LINK if wanted in names else names[0]
                self._client = self._node.create_client(self._services.AddLink, name)
            elif names and not self._told_of_choice:
                self._told_of_choice = True
                self._node.get_logger().warning(
                    f"links go to RTAB-Map's add_link, and there are {', '.join(names)}: remap {ADD_LINK} to yours"
                )
        return self._client if self._client is not None and self._client.service_is_ready() else None

    def _on_image(self, message: Any) -> None:
        stamp = message.header.stamp
        with self._lock:
            self._images[int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)] = message
            if len(self._images) > MOST_IMAGES:
                self._images.popitem(last=False)

    def _on_map_data(self, message: Any) -> None:
        with self._lock:
            self._ids.learn(message)
            self._send_pending()

    def _send_pending(self) -> None:
        for _ in range(len(self._pending)):
            pending = self._pending.popleft()
            ends = self._ids.at(pending.closure.keyframe_stamp_ns), self._ids.at(pending.closure.query_stamp_ns)
            if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
                if self._ids.has_link(ends[0], ends[1]):
                    self._node.get_logger().info(f"RTAB-Map took the link {ends[0]} -> {ends[1]}")
                    continue
                if pending.tries >= MOST_TRIES:
                    self._node.get_logger().warning(f"RTAB-Map did not take the link {ends[0]} -> {ends[1]}")
                    continue
                client = self._add_link()
                if client is not None:
                    pending.tries += 1
                    link = link_message(self._types, ends[0], ends[1], pending.closure)
                    client.call_async(self._services.AddLink.Request(link=link))
            self._pending.append(pending)
