"""What a recording's storage gives, whatever its format: topics, and a stream of serialized messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE, OWN_DEFINITIONS, TRANSFORMS, TRANSFORMS_OF_OLD_ROS1
from a2gc_ros.errors import BagError


@dataclass(frozen=True)
class Topic:
    """One topic of a recording.

    Attributes:
        name: Topic name.
        type: Message type, such as ``sensor_msgs/msg/Image``.
        count: Messages recorded.
        latched: Whether late subscribers were meant to get the last message.
    """

    name: str
    type: str
    count: int
    latched: bool = False

    @property
    def is_image(self) -> bool:
        """Whether the topic carries raw or compressed images."""
        return self.type in (IMAGE, COMPRESSED_IMAGE)


@dataclass(frozen=True)
class RawMessage:
    """A message as it was recorded.

    Attributes:
        topic: Topic name.
        type: Message type.
        stamp_ns: Time of receipt in nanoseconds.
        data: The serialized message: CDR from rosbag2, ROS 1's own serialization from rosbag1.
    """

    topic: str
    type: str
    stamp_ns: int
    data: bytes | memoryview


@cache
def typestore(ros_version: int) -> Typestore:
    """Returns the message types of a ROS generation; the ones used here are the same in all its distributions."""
    if ros_version == 2:
        store = get_typestore(Stores.ROS2_HUMBLE)
        for name, definition in OWN_DEFINITIONS.items():
            store.register(get_types_from_msg(definition, name))
        return store
    store = get_typestore(Stores.ROS1_NOETIC)
    for name in (TRANSFORMS, TRANSFORMS_OF_OLD_ROS1):
        store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", name))
    return store


class Storage(ABC):
    """A recording's files, opened for reading; a context manager.

    Only one iteration over messages may run at a time. A format that an installed package adds derives from this; its
    constructor takes the path, and raises BagError where there is no recording of its format or it is damaged.

    Attributes:
        path: Where it lies.
        ros_version: Whose serialization its messages have: 2 for CDR, 1 for ROS 1's own.
        topics: Its topics, by name.
        start_ns: Time of receipt of the first message in nanoseconds, 0 where there are none.
        end_ns: Time of receipt of the last message in nanoseconds, 0 where there are none.
    """

    path: Path
    ros_version: int = 2
    topics: tuple[Topic, ...]
    start_ns: int
    end_ns: int

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Closes the files."""

    @abstractmethod
    def messages(
        self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Streams messages in order of receipt.

        Args:
            topics: Names of the topics wanted; None for all.
            start_ns: First time of receipt wanted.
            stop_ns: First time of receipt no longer wanted.

        Raises:
            BagError: If the storage turns out to be damaged on the way.
        """

    def deserialize(self, message: RawMessage) -> Any:
        """Returns the message object.

        Raises:
            BagError: If the bytes are not a message of that type.
        """
        store = typestore(self.ros_version)
        read = store.deserialize_cdr if self.ros_version == 2 else store.deserialize_ros1
        return _guarded(read, message)

    def to_cdr(self, message: RawMessage) -> bytes | memoryview:
        """Returns a message in ROS 2's serialization, converting one of ROS 1.

        Raises:
            BagError: If the bytes are not a message of that type, or its type is not a standard one.
        """
        if self.ros_version == 2:
            return message.data
        # The conversion drops ROS 1's header counter by itself and wants the types of ROS 2.
        return _guarded(typestore(2).ros1_to_cdr, message)


def _guarded(parse: Callable[[bytes | memoryview, str], Any], message: RawMessage) -> Any:
    try:
        # The parser slices the header off, which copies the pixels of bytes but not of a view.
        return parse(memoryview(message.data), message.type)
    except (SerdeError, KeyError, ValueError, IndexError, AssertionError, RecursionError) as error:
        raise BagError(f"{message.topic}: a message is not a valid {message.type}") from error
