"""Finds out why no image arrives, and says it in one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE
from a2gc_ros.nodes.inputs.topic_names import topics_of_types

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)


@dataclass(frozen=True)
class Publisher:
    """One publisher on the image topic, as discovery tells it.

    Attributes:
        node: Its node's name.
        type: Message type.
        incompatible: Why its quality of service does not match ours; empty where it does.
    """

    node: str
    type: str
    incompatible: str = ""


def cause_of_silence(
    topic: str,
    wanted_type: str,
    publishers: Sequence[Publisher],
    image_topics: Sequence[str],
    profile: str,
) -> str:
    """Returns the likely cause of an image topic's silence, and what to do; `profile` is ours for Fast DDS."""
    if not publishers:
        there = ", ".join(sorted(image_topics)) or "none"
        return (
            f"nobody publishes {topic}: start the camera, or remap `image` to its topic; "
            f"image topics that exist: {there}"
        )
    fitting = [publisher for publisher in publishers if publisher.type == wanted_type]
    if not fitting:
        other = publishers[0]
        wanted = "compressed" if other.type == COMPRESSED_IMAGE else "raw"
        hint = (
            f"set the parameter image_transport to {wanted}, or remap `image`"
            if other.type in IMAGE_TYPES
            else "remap `image` to a camera's topic"
        )
        return f"{topic} carries {other.type} (from {other.node}) but {wanted_type} is expected: {hint}"
    if all(publisher.incompatible for publisher in fitting):
        culprit = fitting[0]
        return (
            f"{culprit.node} publishes {topic} with a quality of service that does not match "
            f"({culprit.incompatible}): change the camera's, or this node's with "
            f"the parameters qos_overrides.{topic}.subscription.*"
        )
    return (
        f"{topic} has {len(fitting)} matching publisher(s) but nothing arrives: the camera is paused, or its images "
        f"are larger than Fast DDS's shared-memory segment (512 KiB unless set) and are dropped without a word; start "
        f"the camera and this node with FASTDDS_DEFAULT_PROFILES_FILE={profile}"
    )


def discover(node: Node, topic: str, qos: QoSProfile) -> list[Publisher]:
    """Returns the publishers on a topic, compared with the quality of service of our subscription."""
    found = []
    for info in node.get_publishers_info_by_topic(topic):
        compatibility, reason = qos_check_compatible(info.qos_profile, qos)
        incompatible = reason if compatibility == QoSCompatibility.ERROR else ""
        name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        found.append(Publisher(name, info.topic_type, incompatible))
    return found


def other_image_topics(node: Node) -> list[str]:
    """Returns the topics on which others publish images."""
    own = f"{node.get_fully_qualified_name()}/"
    return [name for name in topics_of_types(node, IMAGE_TYPES) if not name.startswith(own)]


def shipped_profile() -> Path:
    """Returns this package's Fast DDS profile with room for large images, installed or in the source tree."""
    for prefix in (*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix):
        installed = Path(prefix) / "share" / "a2gc_ros" / "config" / "fastdds.xml"
        if prefix and installed.exists():
            return installed
    return Path(__file__).resolve().parents[2] / "config" / "fastdds.xml"
