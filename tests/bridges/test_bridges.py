from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interfaces import new, package, round_trip

from a2gc_ros import geometry
from a2gc_ros.bridges import initial_pose
from a2gc_ros.bridges.base_closure import base_closure
from a2gc_ros.bridges.bridge import message_package
from a2gc_ros.bridges.lio_sam import closure_message
from a2gc_ros.bridges.pose_graph_tools import graph_message
from a2gc_ros.bridges.rtabmap import (
    USER_CLOSURE,
    NodeIds,
    compressed_row,
    descriptor_message,
    link_message,
)
from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.loops import LoopClosure, Match, Verification

QUERY_NS, KEYFRAME_NS = 1_700_000_100_250_000_000, 1_700_000_020_500_000_000
CAMERA = pose_from_xyz_rpy((0.3, 0.1, 1.2, -np.pi / 2, 0.0, -np.pi / 2))
BASES = pose_from_xyz_rpy((1.5, -0.4, 0.1, 0.02, 0.03, 0.6))
"""t_keyframeBase_queryBase."""


def covariance(seed: int = 0) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(6, 6))
    return 1e-4 * (a @ a.T + np.eye(6))


def closure(*, map_index: int = 0, scale_known: bool = True, query_id: int | None = 41, gap_ns: int | None = None):
    keyframe_ns = KEYFRAME_NS if gap_ns is None else QUERY_NS - gap_ns
    match = Match(QUERY_NS, map_index, 7, 1, keyframe_ns, 0.8)
    cameras = geometry.inverse(CAMERA) @ BASES @ CAMERA
    verification = Verification(True, 50, 60, cameras, covariance(), scale_known)
    return LoopClosure(match, verification, 0.999, query_id)


def pose_of(message) -> np.ndarray:
    at, q = message.position, message.orientation
    return geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))


def test_a_closure_of_cameras_becomes_one_of_bases():
    found = base_closure(closure(), CAMERA)
    np.testing.assert_allclose(found.pose, BASES, atol=1e-12)
    assert (found.query_id, found.keyframe_id) == (41, 7)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_covariance_of_bases_is_that_of_samples(reverse):
    from scipy.spatial.transform import Rotation

    cameras = closure().verification.relative_pose
    expected, cov = base_closure(closure(), CAMERA), covariance()
    samples = []
    for delta in np.random.default_rng(1).multivariate_normal(np.zeros(6), cov, 6_000):
        moved = np.eye(4)
        moved[:3, :3] = Rotation.from_rotvec(delta[3:]).as_matrix() @ cameras[:3, :3]
        moved[:3, 3] = cameras[:3, 3] + delta[:3]
        bases = CAMERA @ moved @ geometry.inverse(CAMERA)
        mean = expected.pose
        if reverse:
            bases, mean = geometry.inverse(bases), geometry.inverse(mean)
        turned = Rotation.from_matrix(bases[:3, :3] @ mean[:3, :3].T).as_rotvec()
        samples.append(np.concatenate([bases[:3, 3] - mean[:3, 3], turned]))
    got = expected.reversed()[1] if reverse else expected.covariance
    np.testing.assert_allclose(got, np.cov(np.array(samples).T), atol=0.08 * np.abs(got).max())


@pytest.mark.parametrize("unusable", [{"map_index": 1}, {"scale_known": False}])
def test_no_back_end_is_told_a_pose_that_is_none(unusable):
    assert base_closure(closure(**unusable), CAMERA) is None


def test_lio_sam_gets_two_stamps_in_seconds_the_later_first():
    message = closure_message(closure(scale_known=False))
    assert list(message.data) == [QUERY_NS / 1e9, KEYFRAME_NS / 1e9]
    assert message.layout.dim == []


@pytest.mark.parametrize("dropped", [{"map_index": 1}, {"gap_ns": 29_000_000_000}])
def test_lio_sam_is_not_told_what_it_would_drop(dropped):
    assert closure_message(closure(**dropped)) is None


def test_hydra_reads_stamps_and_the_query_in_the_keyframe():
    message = graph_message(package("pose_graph_tools_msgs"), "hydra", [base_closure(closure(), CAMERA)])
    edge = round_trip(message).edges[0]
    assert (edge.key_from, edge.key_to, edge.type) == (QUERY_NS, KEYFRAME_NS, edge.LOOPCLOSE)
    # to_T_from, and from is the query.
    np.testing.assert_allclose(pose_of(edge.pose), BASES, atol=1e-12)
    assert (edge.robot_from, edge.robot_to) == (0, 0)
    assert (edge.header.stamp.sec, edge.header.stamp.nanosec) == divmod(QUERY_NS, 10**9)


def test_kimera_pgmo_reads_ids_and_the_keyframe_in_the_query():
    types = package("pose_graph_tools_msgs")
    found = base_closure(closure(), CAMERA)
    edge = round_trip(graph_message(types, "kimera_pgmo", [found])).edges[0]
    assert (edge.key_from, edge.key_to) == (41, 7)
    # from_T_to, and from is the query.
    np.testing.assert_allclose(pose_of(edge.pose), geometry.inverse(BASES), atol=1e-12)
    np.testing.assert_allclose(edge.covariance.reshape(6, 6), found.reversed()[1])
    assert graph_message(types, "kimera_pgmo", [base_closure(closure(query_id=None), CAMERA)]).edges == []


@given(st.integers(1, 400), st.integers(0, 5))
@settings(deadline=None)
def test_a_packed_descriptor_is_a_row_of_floats(length, seed):
    descriptor = np.random.default_rng(seed).normal(size=length).astype(np.float32)
    data = compressed_row(descriptor)
    # Read as RTAB-Map does: the last twelve bytes are rows, columns and OpenCV's type, 5 being CV_32FC1.
    assert struct.unpack("<iii", data[-12:]) == (1, length, 5)
    np.testing.assert_array_equal(np.frombuffer(zlib.decompress(data[:-12]), "<f4"), descriptor)


def test_rtabmap_gets_a_descriptor_of_the_type_it_compares():
    descriptor = np.linspace(-1, 1, 64, dtype=np.float32)
    message = round_trip(descriptor_message(package("rtabmap_msgs"), QUERY_NS, "camera", descriptor))
    assert (message.type, message.header.frame_id, len(message.info)) == (1, "camera", 0)
    assert message.data.tobytes() == compressed_row(descriptor)


def test_rtabmap_gets_a_user_closure_with_its_information():
    found = base_closure(closure(), CAMERA)
    link = round_trip(link_message(package("rtabmap_msgs"), 3, 12, found))
    assert (link.from_id, link.to_id, link.type) == (3, 12, 4)
    at, q = link.transform.translation, link.transform.rotation
    # The base of `to`, the query, in that of `from`, the keyframe.
    pose = geometry.pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))
    np.testing.assert_allclose(pose, BASES, atol=1e-12)
    information = link.information.reshape(6, 6)
    np.testing.assert_allclose(np.linalg.inv(information), found.covariance, atol=2e-6)
    np.testing.assert_allclose(information, information.T, rtol=1e-6)


def map_data(stamps: dict[int, float], links: list[tuple[int, int, int]] = ()):
    message = new("rtabmap_msgs/msg/MapData")
    for number, stamp in stamps.items():
        node = new("rtabmap_msgs/msg/Node")
        node.id, node.stamp = number, stamp
        message.nodes.append(node)
    for ends in links:
        link = new("rtabmap_msgs/msg/Link")
        link.from_id, link.to_id, link.type = ends
        message.graph.links.append(link)
    return round_trip(message)


def test_nodes_are_found_by_stamp_and_links_confirmed():
    ids = NodeIds()
    ids.learn(map_data({2: 20.0, 1: 10.0}))
    ids.learn(map_data({3: 30.0, 9: 0.0}, [(3, 1, USER_CLOSURE), (2, 1, 0)]))
    found = [ids.at(round(seconds * 1e9)) for seconds in (10.0, 9.6, 20.4, 15.0, 30.49, 31.0, 0.0)]
    assert found == [1, 1, 2, None, 3, None, None]
    assert ids.has_link(1, 3)
    assert not ids.has_link(1, 2)
    # A link that the next graph no longer has was refused.
    ids.learn(map_data({4: 40.0}))
    assert not ids.has_link(1, 3)
    assert ids.at(10 * 10**9) == 1


def test_messages_that_are_not_installed_are_named():
    with pytest.raises(ConfigError, match="the bridge rtabmap needs the messages of no_such_msgs"):
        message_package("no_such_msgs.msg", "rtabmap")


SECOND = 10**9


def test_the_initial_pose_is_told_once():
    gate = initial_pose.InitialPoseGate()
    passed = [gate.passes(step * SECOND, 0.999) for step in range(10)]
    assert passed == [False, False, True] + [False] * 7
    gate.arm()
    assert [gate.passes((20 + step) * SECOND, 0.999) for step in range(5)] == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("told", "passed"),
    [
        ([(0, 0.999), (1, 0.5), (2, 0.999), (3, 0.999), (4, 0.999)], 4),
        ([(0, 0.999), (1, 0.999), (20, 0.999), (21, 0.999), (22, 0.999)], 22),
        ([(0, None), (1, None), (2, None)], 2),
        ([(5, 0.999), (4, 0.999), (5, 0.999), (6, 0.999)], 6),
        ([(0, 0.98), (1, 0.98), (2, 0.98), (3, 0.98)], None),
    ],
)
def test_an_unlikely_pose_or_a_pause_begins_anew(told, passed):
    gate = initial_pose.InitialPoseGate()
    out = [second for second, probability in told if gate.passes(second * SECOND, probability)]
    assert out == ([] if passed is None else [passed])
