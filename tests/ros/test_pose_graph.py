"""The pose graph as a process: odometry that drifts and closures in, the corrected path out."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("gtsam", reason="needs GTSAM: pip install gtsam")

from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Odometry, Path
from node_process import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, NodeProcess, new_namespace
from places import START_NS
from ros_probe import wait_for
from visualization_msgs.msg import Marker, MarkerArray

from a2gc_msgs.msg import LoopClosureCandidates
from a2gc_ros import geometry
from a2gc_ros.geometry import pose_from_quaternion, pose_from_xy_yaw, pose_from_xyz_rpy
from a2gc_ros.loops import LoopClosure, Match, Verification
from a2gc_ros.nodes.base.conversions import candidates_message, header_message, pose_message

SIDE = 8
LAP = 4 * SIDE
AHEAD = pose_from_xyz_rpy((0.2, 0.0, 0.5, -np.pi / 2, 0.0, -np.pi / 2))
PARAMETERS = {"diagnostics_period": 0.2, "camera_pose": [0.2, 0.0, 0.5, -np.pi / 2, 0.0, -np.pi / 2]}
TIGHT = np.diag(np.repeat([0.02, 0.005], 3) ** 2)


def stamp(step: int) -> int:
    return START_NS + step * 500_000_000


def drive() -> tuple[list[np.ndarray], list[np.ndarray]]:
    truth, odometry = [np.eye(4)], [np.eye(4)]
    for step in range(2 * LAP):
        turn = np.pi / 2 if step % SIDE == SIDE - 1 else 0.0
        truth.append(truth[-1] @ pose_from_xy_yaw(1.0, 0.0, turn))
        odometry.append(odometry[-1] @ pose_from_xy_yaw(1.02, 0.0, turn + 0.004))
    return truth, odometry


TRUTH, ODOMETRY = drive()


def odometry_message(step: int) -> Odometry:
    message = Odometry(header=header_message(stamp(step), "odom"), child_frame_id="base_link")
    message.pose.pose = pose_message(ODOMETRY[step])
    return message


def closure_message(keyframe: int, query: int, *, motion: np.ndarray | None = None, map_index: int = 0):
    if motion is None:
        motion = geometry.relative(TRUTH[keyframe] @ AHEAD, TRUTH[query] @ AHEAD)
    match = Match(stamp(query), map_index, keyframe, 1, stamp(keyframe), 0.9)
    closure = LoopClosure(match, Verification(True, 50, 60, motion, TIGHT, scale_known=True), 0.999)
    return candidates_message(header_message(stamp(query), "camera"), [closure])


def pose_of(message) -> np.ndarray:
    at, q = message.position, message.orientation
    return pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))


def closures_known(node: NodeProcess) -> int:
    """Closures that wait for odometry or have been taken or refused."""
    status = node.status("graph")
    return sum(int(pair.value) for pair in status.values if pair.key.startswith("closures")) if status else 0


@pytest.fixture(scope="module")
def start(probe, tmp_path_factory):
    started: list[NodeProcess] = []

    def run(**parameters) -> NodeProcess:
        folder = tmp_path_factory.mktemp("graph")
        node = NodeProcess(probe, folder, {**PARAMETERS, **parameters}, new_namespace(), "pose_graph")
        started.append(node)
        return node

    yield run
    for node in started:
        node.kill()


@pytest.fixture(scope="module")
def ran(probe, start):
    """A node that has seen two laps with three right closures, a wrong one and a relocalization."""
    node = start()
    heard = {
        name: probe.listen(kind, node.topic(name))
        for name, kind in (
            ("corrected_pose", PoseStamped),
            ("map_to_odom", TransformStamped),
            ("corrected_path", Path),
            ("pose_graph/markers", MarkerArray),
        )
    }
    node.wait_until_active()
    odometry = probe.publisher(Odometry, node.topic("odom"), depth=1000)
    closures = probe.publisher(LoopClosureCandidates, node.topic("loop_closures"), depth=1000)
    for publisher in (odometry, closures):
        node.wait_until_heard(publisher)
    bad = odometry_message(0)
    bad.pose.pose.orientation.w = float("nan")

    def arrived() -> bool:
        odometry.publish(bad)
        return node.count("graph", "bad odometry messages") > 0

    wait_for(arrived, "odometry in the node")
    right, sent = {LAP + step: step for step in (1, 9, 20)}, 0
    for step in range(2 * LAP + 1):
        if step in right:
            closures.publish(closure_message(right[step], step))
        if step == LAP + 25:
            closures.publish(closure_message(3, step, motion=np.eye(4)))
            closures.publish(closure_message(3, step, map_index=1))
        if step in (*right, LAP + 25):
            sent += 1
            wait_for(lambda sent=sent: closures_known(node) == sent, "a closure that overtakes the odometry")
        odometry.publish(odometry_message(step))
        time.sleep(0.005)
    wait_for(lambda: node.count("graph", "poses") == 2 * LAP + 1, "the last pose")
    wait_for(lambda: heard["corrected_path"] and len(heard["corrected_path"][-1].poses) == 2 * LAP + 1, "the path")
    return node, heard, odometry


def test_closures_bring_the_path_back(ran):
    node, heard, _ = ran
    path = heard["corrected_path"][-1]
    assert path.header.frame_id == "map"
    after = np.stack([pose_of(entry.pose)[:3, 3] for entry in path.poses])
    truth = np.stack([pose[:3, 3] for pose in TRUTH])
    before = np.stack([pose[:3, 3] for pose in ODOMETRY])
    drift, left = np.linalg.norm(before - truth, axis=1), np.linalg.norm(after - truth, axis=1)
    assert drift[-1] > 1
    assert left[LAP:].max() < 0.5 * drift[LAP:].max()
    assert node.count("graph", "closures: agrees") == 3


def test_a_wrong_closure_and_a_relocalization_change_nothing(ran):
    node, *_ = ran
    assert node.count("graph", "closures: contradicts") == 1
    assert node.count("graph", "relocalizations passed over") == 1
    assert node.message("graph") == "following the odometry"


def test_the_newest_pose_is_told_with_where_odometry_lies(ran):
    _, heard, _ = ran
    last = stamp(2 * LAP)
    pose = next(m for m in reversed(heard["corrected_pose"]) if m.header.stamp.sec == last // 10**9)
    transform = next(m for m in reversed(heard["map_to_odom"]) if m.header.stamp.sec == last // 10**9)
    assert (transform.header.frame_id, transform.child_frame_id) == ("map", "odom")
    at, q = transform.transform.translation, transform.transform.rotation
    t_map_odom = pose_from_quaternion((at.x, at.y, at.z), (q.x, q.y, q.z, q.w))
    np.testing.assert_allclose(pose_of(pose.pose), t_map_odom @ ODOMETRY[2 * LAP], atol=1e-6)


def test_the_graph_is_drawn(ran):
    _, heard, _ = ran
    way, agrees, contradicts = wait_for(lambda: heard["pose_graph/markers"], "markers")[-1].markers
    assert (way.ns, way.type, len(way.points)) == ("way", Marker.LINE_STRIP, 2 * LAP + 1)
    assert (agrees.ns, len(agrees.points)) == ("agrees", 6)
    assert (contradicts.ns, len(contradicts.points)) == ("contradicts", 2)


def test_a_step_back_in_time_begins_a_new_graph(ran):
    node, _, odometry = ran
    for step in range(3):
        odometry.publish(odometry_message(step))
    wait_for(lambda: node.count("graph", "new graphs begun") == 1, "a new graph")
    wait_for(lambda: node.count("graph", "poses") == 3, "its poses")
    assert node.stop() == 0


def test_odometry_without_stamps_is_not_followed_in_silence(probe, start):
    node = start().wait_until_active()
    odometry = probe.publisher(Odometry, node.topic("odom"))
    node.wait_until_heard(odometry)
    unstamped = odometry_message(0)
    unstamped.header.stamp.sec = unstamped.header.stamp.nanosec = 0
    wait_for(
        lambda: odometry.publish(unstamped) or "are not newer than those before" in node.message("graph"), "a word"
    )
    assert node.level("graph") == b"\1"


def test_each_configuration_broadcasts_once_and_takes_it_back(probe, start):
    pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs, from a distribution or make venv")
    node = start(autostart=False)
    for _ in range(2):
        for transition, count in ((CONFIGURE, 1), (CLEANUP, 0)):
            assert node.change(transition)
            wait_for(
                lambda count=count: (
                    [p.node_namespace for p in probe.node.get_publishers_info_by_topic("/tf")].count(node.namespace)
                    == count
                ),
                f"{count} publishers of /tf",
            )


def test_lifecycle_and_wrong_parameters(start):
    node = start(autostart=False)
    assert node.state() == "unconfigured"
    assert "out of range" in node.set("odometry_rotation_noise", -1.0)
    for transition, state in ((CONFIGURE, "inactive"), (ACTIVATE, "active"), (DEACTIVATE, "inactive")):
        assert node.change(transition)
        assert node.state() == state
    assert "deactivate and clean up first" in node.set("node_distance", 2.0)
    assert node.change(CLEANUP)
    assert node.state() == "unconfigured"
    assert node.stop() == 0
