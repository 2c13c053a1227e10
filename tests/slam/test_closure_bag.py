"""Closures as recorded messages: what the node would have published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.bags.message_types import OWN_DEFINITIONS
from a2gc_ros.bags.storage import typestore
from a2gc_ros.errors import BagError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.loops.linking import Link
from a2gc_ros.loops.results import LoopClosure, Match, Verification
from a2gc_ros.placemap import Keyframe
from a2gc_ros.slam.closure_bag import TOPIC, write_closures

STAMP_NS = 1_700_000_000_123_456_789


def links() -> list[Link]:
    pose = pose_from_xyz_rpy((0.5, -0.1, 1.5, 0.1, 0.2, -0.3))
    checks = [Verification(True, 60, 80, pose, 1e-3 * np.diag(np.arange(1.0, 7.0)), scale_known=True), None]
    closures = [
        LoopClosure(Match(STAMP_NS + at, 1, 7, 2, STAMP_NS - 5, 0.75), check, 0.9999, 40 + at, held_s=1.5)
        for at, check in enumerate(checks)
    ]
    keyframe = Keyframe(1, 1, STAMP_NS, None, None, "camera")
    return [Link(closure, keyframe, keyframe) for closure in closures]


@pytest.mark.parametrize("name", ["closures.mcap", "closures.db3"])
def test_the_messages_are_the_nodes(name: str, tmp_path: Path) -> None:
    pytest.importorskip("a2gc_msgs", reason="needs rclpy and the built messages")
    from rclpy.serialization import deserialize_message, serialize_message

    from a2gc_msgs.msg import LoopClosureCandidates
    from a2gc_ros.bags import open_recording
    from a2gc_ros.nodes.base.conversions import candidates_message, header_message

    write_closures(links(), tmp_path / name)
    with open_recording(tmp_path / name) as recording:
        messages = list(recording.messages([TOPIC]))
    assert len(messages) == 2
    for message, link in zip(messages, links(), strict=True):
        stamp_ns = link.closure.match.query_stamp_ns + 1_500_000_000
        wanted = candidates_message(header_message(stamp_ns, "camera"), [link.closure])
        assert message.stamp_ns == stamp_ns
        # Read, and not compared as bytes: padding is whatever was there.
        both = bytes(message.data), serialize_message(wanted)
        recorded, published = (deserialize_message(data, LoopClosureCandidates) for data in both)
        assert recorded == published


@pytest.mark.parametrize("name", OWN_DEFINITIONS)
def test_the_definitions_are_those_of_the_message_package(name: str, repository: Path) -> None:
    from rosbags.typesys import get_types_from_msg

    package, _, message = name.split("/")
    text = (repository / package / "msg" / f"{message}.msg").read_text(encoding="utf-8")
    assert get_types_from_msg(text, name) == get_types_from_msg(OWN_DEFINITIONS[name], name)
    assert name in typestore(2).types


def test_a_bag_of_ros_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="ROS 2"):
        write_closures(links(), tmp_path / "closures.bag")
