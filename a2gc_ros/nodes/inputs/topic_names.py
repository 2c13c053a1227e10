"""What the node's topics are called: image_transport's conventions, and what was remapped or set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rclpy.node import Node

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE

COMPRESSED = "/compressed"


class ImageTopic(NamedTuple):
    """A topic of images.

    Attributes:
        name: Full name.
        type: Its message type.
    """

    name: str
    type: str


def image_topics(node: Node, name: str, transport: str) -> list[ImageTopic]:
    """Returns where a camera's images may be, the best first.

    As in image_transport, compressed images lie beside the raw topic: who remaps ``image`` to ``/cam/image_raw`` gets
    ``/cam/image_raw/compressed``. A remapping of ``image/compressed`` itself goes first, and a name that says that it
    is compressed is taken at its word.

    Args:
        node: The node, whose namespace and remappings hold.
        name: The name before them.
        transport: ``raw``, ``compressed``, or ``auto`` for either.
    """
    raw, compressed = node.resolve_topic_name(name), node.resolve_topic_name(name + COMPRESSED)
    if not is_remapped(node, name + COMPRESSED):
        compressed = raw if raw.endswith(COMPRESSED) else raw + COMPRESSED
    if transport == "raw":
        return [ImageTopic(raw, IMAGE)]
    if transport == "compressed":
        return [ImageTopic(compressed, COMPRESSED_IMAGE)]
    either = [ImageTopic(raw, IMAGE), ImageTopic(compressed, COMPRESSED_IMAGE), ImageTopic(raw, COMPRESSED_IMAGE)]
    if raw.endswith(COMPRESSED) or is_remapped(node, name + COMPRESSED):
        either.sort(key=lambda topic: topic.type != COMPRESSED_IMAGE)
    return list(dict.fromkeys(either))


def camera_info_topic(node: Node, wanted: str, image: str) -> str:
    """Returns where a camera's calibration is: the topic that was named, else the one beside the images.

    image_transport's convention: the last part of the image topic's name gives way to ``camera_info``, so
    ``/cam/image_raw`` and ``/cam/image_raw/compressed`` lead to ``/cam/camera_info``.

    Args:
        node: The node, whose namespace and remappings hold.
        wanted: A name that was set; empty for none. A remapping of ``camera_info`` is one too.
        image: Full name of the image topic.
    """
    if wanted or is_remapped(node, "camera_info"):
        return node.resolve_topic_name(wanted or "camera_info")
    return f"{image.removesuffix(COMPRESSED).rpartition('/')[0]}/camera_info"


def is_remapped(node: Node, name: str) -> bool:
    """Whether a remapping leads a name elsewhere."""
    return node.resolve_topic_name(name) != node.resolve_topic_name(name, only_expand=True)


def topics_of_types(node: Node, types: Collection[str]) -> list[str]:
    """Returns the topics of some message types that somebody publishes."""
    return [
        name
        for name, carried in node.get_topic_names_and_types()
        if not set(carried).isdisjoint(types) and node.count_publishers(name)
    ]


def published(node: Node, topics: Sequence[ImageTopic]) -> ImageTopic | None:
    """Returns the first topic that somebody publishes with the type expected there; None where nobody does."""
    for topic in topics:
        if any(info.topic_type == topic.type for info in node.get_publishers_info_by_topic(topic.name)):
            return topic
    return None
