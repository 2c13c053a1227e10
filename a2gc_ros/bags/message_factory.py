"""Makes the messages of either ROS generation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from a2gc_ros.bags.storage import typestore
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import Pose, quaternion_of


class MessageFactory:
    """Makes messages and what they are made of."""

    def __init__(self, ros_version: int) -> None:
        self._ros_version = ros_version
        self.store = typestore(ros_version)

    def new(self, msgtype: str, **fields: Any) -> Any:
        """Returns a message of these fields."""
        return self.store.types[msgtype](**fields)

    def serialized(self, message: Any, msgtype: str) -> bytes | memoryview:
        """Returns a message in ROS 1's serialization or as CDR."""
        serialize = self.store.serialize_ros1 if self._ros_version == 1 else self.store.serialize_cdr
        return serialize(message, msgtype)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """Returns a std_msgs/Header.

        Raises:
            BagError: If the stamp, nanoseconds, does not fit it.
        """
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        if not 0 <= sec < 2**31:
            raise BagError(f"a stamp of {stamp_ns} ns does not fit a message, which counts seconds from 0 to 2^31 - 1")
        stamp = self.new("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        counter = {"seq": 0} if self._ros_version == 1 else {}
        return self.new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id, **counter)

    def pose(self, pose: Pose) -> Any:
        """Returns a geometry_msgs/Pose."""
        position = self.vector(pose[:3, 3].tolist(), "Point")
        return self.new("geometry_msgs/msg/Pose", position=position, orientation=self.rotation(pose))

    def rotation(self, pose: Pose) -> Any:
        """Returns the rotation of a pose as a geometry_msgs/Quaternion."""
        x, y, z, w = quaternion_of(pose).tolist()
        return self.new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)

    def vector(self, values: Iterable[float], kind: str = "Vector3") -> Any:
        """Returns x, y and z as a message of geometry_msgs."""
        x, y, z = values
        return self.new(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)
