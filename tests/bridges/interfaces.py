"""The message layouts of other back ends, as their packages publish them, made with rosbags' types.

rtabmap_msgs: introlab/rtabmap_ros; pose_graph_tools_msgs: MIT-SPARK/pose_graph_tools. Of RTAB-Map's larger messages
only the fields are here that a bridge looks at.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

LAYOUTS = {
    "rtabmap_msgs/msg/GlobalDescriptor": "std_msgs/Header header\nint32 type\nuint8[] info\nuint8[] data",
    "rtabmap_msgs/msg/Link": (
        "int32 from_id\nint32 to_id\nint32 type\ngeometry_msgs/Transform transform\nfloat64[36] information"
    ),
    "rtabmap_msgs/msg/RGBDImage": "std_msgs/Header header\nGlobalDescriptor global_descriptor",
    "rtabmap_msgs/msg/Node": "int32 id\nint32 map_id\nfloat64 stamp",
    "rtabmap_msgs/msg/MapGraph": "std_msgs/Header header\nLink[] links",
    "rtabmap_msgs/msg/MapData": "std_msgs/Header header\nMapGraph graph\nNode[] nodes",
    "pose_graph_tools_msgs/msg/PoseGraphNode": (
        "std_msgs/Header header\nint32 robot_id\nuint64 key\ngeometry_msgs/Pose pose"
    ),
    "pose_graph_tools_msgs/msg/PoseGraphEdge": (
        "std_msgs/Header header\nuint64 key_from\nuint64 key_to\nint32 robot_from\nint32 robot_to\nint32 type\n"
        "int32 ODOM=0\nint32 LOOPCLOSE=1\nint32 LANDMARK=2\nint32 REJECTED_LOOPCLOSE=3\nint32 MESH=4\n"
        "int32 POSE_MESH=5\nint32 MESH_POSE=6\ngeometry_msgs/Pose pose\nfloat64[36] covariance"
    ),
    "pose_graph_tools_msgs/msg/PoseGraph": (
        "std_msgs/Header header\npose_graph_tools_msgs/PoseGraphNode[] nodes\n"
        "pose_graph_tools_msgs/PoseGraphEdge[] edges"
    ),
}

STORE = get_typestore(Stores.ROS2_JAZZY)
for _name, _text in LAYOUTS.items():
    STORE.register(get_types_from_msg(_text, _name))


def new(name: str) -> Any:
    """Makes a message whose fields all have their defaults, as ROS's own classes do."""
    values = {field: _default(kind) for field, kind in STORE.get_msgdef(name).fields}
    return STORE.types[name](**values)


def package(name: str) -> SimpleNamespace:
    """Returns what stands in for a module of messages: calling a class makes a message."""
    wanted = [key for key in LAYOUTS if key.startswith(f"{name}/")]
    return SimpleNamespace(**{key.rsplit("/")[-1]: lambda key=key: new(key) for key in wanted})


def round_trip(message: Any) -> Any:
    """Writes a message as CDR and reads it again."""
    name = message.__msgtype__
    return STORE.deserialize_cdr(STORE.serialize_cdr(_arrays(message), name), name)


def _default(kind: Any) -> Any:
    node, detail = kind
    if node == Nodetype.BASE:
        return "" if detail[0] == "string" else 0.0 if detail[0].startswith("float") else 0
    if node == Nodetype.NAME:
        return new(detail)
    (_, inner_detail), length = detail
    if node == Nodetype.ARRAY:
        return np.zeros(length, inner_detail[0])
    return []


def _arrays(message: Any) -> Any:
    """Turns bytes and lists of numbers into arrays, as rosbags wants them."""
    for field, (node, detail) in STORE.get_msgdef(message.__msgtype__).fields:
        value = getattr(message, field)
        if node == Nodetype.NAME:
            _arrays(value)
        elif node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            inner, inner_detail = detail[0]
            if inner == Nodetype.NAME:
                for entry in value:
                    _arrays(entry)
            elif isinstance(value, bytes):
                setattr(message, field, np.frombuffer(value, np.uint8))
            else:
                setattr(message, field, np.asarray(value, inner_detail[0]))
    return message
