"""Closures arrive in other SLAM systems: each bridge over the middleware to a back end with the published rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from back_ends import Amcl, Hydra, KimeraPgmo, LioSam, LviSam, Rtabmap, SlamToolbox
from geometry_msgs.msg import PoseWithCovarianceStamped
from node_process import new_namespace
from rclpy.lifecycle import LifecycleNode
from ros_probe import Probe, spinning, wait_for, wait_until_matched

from a2gc_ros import geometry
from a2gc_ros.bridges.bridge import Bridge, Recognized
from a2gc_ros.bridges.choose import open_bridges
from a2gc_ros.geometry import Pose, pose_from_xy_yaw, pose_from_xyz_rpy
from a2gc_ros.loops import Detection, LoopClosure, Match, Verification
from a2gc_ros.nodes.base.conversions import header_message, pose_with_covariance_message

SECOND = 10**9
START = 1_700_000_000 * SECOND
CAMERA = pose_from_xyz_rpy((0.3, 0.1, 1.2, -np.pi / 2, 0.0, -np.pi / 2))


def at(step: float) -> int:
    """Stamp of a second of the drive."""
    return START + round(step * SECOND)


def robot(step: float) -> Pose:
    """The robot drives a circle of 10 m radius at 1 m/s, so it is back after 63 s."""
    return pose_from_xy_yaw(10 * np.sin(step / 10), 10 - 10 * np.cos(step / 10), step / 10)


def closure(query: float, keyframe: float, *, sigma: float = 0.05) -> LoopClosure:
    """What the detector says of two moments, in metres; the keyframe's and the query's ids are their seconds."""
    cameras = geometry.inverse(robot(keyframe) @ CAMERA) @ robot(query) @ CAMERA
    verification = Verification(True, 50, 60, cameras, sigma**2 * np.eye(6), True)
    return LoopClosure(Match(at(query), 0, int(keyframe), 1, at(keyframe), 0.9), verification, 0.999, int(query))


def recognized(now: float, *closures: LoopClosure, located: float | None = None, odometry: bool = True) -> Recognized:
    """What comes of the image of a moment; `located` is the moment of the pose in the map, which may be earlier."""
    pose = None
    if located is not None:
        message = pose_with_covariance_message(robot(located), 0.01 * np.eye(6))
        pose = PoseWithCovarianceStamped(header=header_message(at(located), "map"), pose=message)
    detection = Detection(at(now), closures=list(closures))
    descriptor = np.zeros(8, np.float32)
    return Recognized(at(now), "camera", detection, descriptor, CAMERA, pose, 0.999, robot(now) if odometry else None)


@pytest.fixture
def node(probe: Probe) -> Iterator[LifecycleNode]:
    """A node of the test's own for bridges."""
    made = LifecycleNode("place_recognition", namespace=new_namespace(), context=probe.context)
    made.trigger_configure()
    with spinning(made, probe.context):
        yield made


@pytest.fixture
def bridged(node: LifecycleNode) -> Iterator[Callable[[str], tuple[Bridge, str]]]:
    """Opens a bridge; gives it and the node's namespace."""
    opened: list[Bridge] = []

    def open_(name: str) -> tuple[Bridge, str]:
        opened.extend(open_bridges(node, [name]))
        node.trigger_activate()
        return opened[-1], node.get_namespace()

    yield open_
    for bridge in opened:
        bridge.close()


def test_lio_sam_takes_one_loop_for_each_keyframe_however_old(probe, node, bridged):
    bridge, space = bridged("lio_sam")
    topic = f"{space}/lio_loop/loop_closure_detection"
    lio_sam = LioSam(probe, topic, [START / 1e9 + second for second in range(0, 80, 2)])
    wait_until_matched(probe, node)
    # Fresh; held back for twelve seconds; one that is as good for the same keyframe; one too near in time.
    for told in ((70, closure(70, 7)), (71, closure(59, 2)), (72, closure(59.5, 2)), (73, closure(73, 50))):
        bridge.publish(recognized(*told))
        time.sleep(0.1)
    wait_for(lambda: len(lio_sam.queue) == 3, "three pairs: what LIO-SAM would drop is not sent")
    for _ in range(3):
        lio_sam.step()
    assert lio_sam.loops == {35: 3, 30: 1}
    assert lio_sam.refused == ["that keyframe has a loop"]


def test_lvi_sam_takes_the_first_of_five_seconds(probe, node, bridged):
    bridge, space = bridged("lio_sam")
    topic = f"{space}/lio_loop/loop_closure_detection"
    stamps = [START / 1e9 + second for second in range(0, 68, 2)]
    lvi_sam = LviSam(probe, topic, stamps)
    wait_until_matched(probe, node)
    for now in range(68, 76, 2):
        stamps.append(at(now) / 1e9)
        bridge.publish(recognized(now, closure(now, now - 62)))
        time.sleep(0.1)
    wait_for(lambda: len(lvi_sam.loops) + len(lvi_sam.refused) == 4, "four pairs")
    assert lvi_sam.loops == {34: 2, 37: 5}


def test_hydra_takes_a_closure_once_its_nodes_are_there(probe, node, bridged):
    pytest.importorskip("pose_graph_tools_msgs.msg", reason="needs pose_graph_tools_msgs: make test builds them")
    bridge, space = bridged("hydra")
    topic = f"{space}/external_loop_closures"
    hydra = Hydra(probe, topic, [at(second) for second in range(70)])
    wait_until_matched(probe, node)
    bridge.publish(recognized(70.4, closure(70.4, 7.6)))
    wait_for(lambda: len(hydra.waiting) == 1, "an edge")
    hydra.update()
    assert (hydra.factors, len(hydra.waiting)) == ([], 1)
    hydra.nodes_ns += [at(70), at(71)]
    hydra.update()
    ((to, origin, pose),) = hydra.factors
    assert (to, origin) == (8, 70)
    np.testing.assert_allclose(pose, geometry.relative(robot(7.6), robot(70.4)), atol=1e-9)
    # Hydra has no rule for fresh stamps: one that was held back is taken at once.
    bridge.publish(recognized(71, closure(64, 2)))
    wait_for(lambda: hydra.waiting, "another edge")
    hydra.update()
    assert hydra.factors[1][:2] == (2, 64)
    assert hydra.refused == []


def test_kimera_pgmo_takes_ids_that_it_has(probe, node, bridged):
    pytest.importorskip("pose_graph_tools_msgs.msg", reason="needs pose_graph_tools_msgs: make test builds them")
    bridge, space = bridged("kimera_pgmo")
    topic = f"{space}/pose_graph_incremental"
    kimera = KimeraPgmo(probe, topic, poses=72)
    wait_until_matched(probe, node)
    bridge.publish(recognized(71, closure(71, 8), closure(66, 3)))
    bridge.publish(recognized(90, closure(90, 27)))
    wait_for(lambda: len(kimera.factors) == 2 and kimera.refused, "three edges")
    assert [factor[:2] for factor in kimera.factors] == [(71, 8), (66, 3)]
    np.testing.assert_allclose(kimera.factors[0][2], geometry.relative(robot(71), robot(8)), atol=1e-9)
    assert kimera.refused == ["skipping keys"]


@pytest.mark.parametrize("service", ["rtabmap/add_link", "add_link"])
def test_rtabmap_takes_a_link_between_its_nodes(probe, node, bridged, service):
    pytest.importorskip("rtabmap_msgs.msg", reason="needs rtabmap_msgs: make test builds them")
    bridge, space = bridged("rtabmap")
    drifted = {at(step): robot(step) @ pose_from_xy_yaw(0.002 * step, 0.0, 0.0) for step in range(71)}
    rtabmap = Rtabmap(probe, f"{space}/rtabmap", drifted, service)
    wait_until_matched(probe, node)
    # An image between two nodes stands for the nearer; it was held back; one that is false bends the graph.
    for told in ((70, closure(70.3, 7)), (71, closure(64, 1)), (71, closure(69, 35))):
        bridge.publish(recognized(*told))
    false = geometry.relative(robot(1), robot(60)) @ pose_from_xy_yaw(9.0, 0.0, 0.0)
    wrong = Verification(True, 50, 60, geometry.inverse(CAMERA) @ false @ CAMERA, 0.05**2 * np.eye(6), True)
    bridge.publish(recognized(71, LoopClosure(Match(at(60), 0, 1, 1, at(1), 0.9), wrong, 0.999, 60)))

    def settled() -> bool:
        rtabmap.publish()
        time.sleep(0.2)
        with bridge._lock:
            return not bridge._pending

    try:
        wait_for(settled, "four links taken or given up")
    finally:
        rtabmap.close()
    assert sorted((link.from_id, link.to_id) for link in rtabmap.links) == [(2, 65), (8, 71), (36, 70)]
    assert rtabmap.refused == ["bends the graph too much"] * 3


@pytest.mark.parametrize("held", [0, 6], ids=["at once", "held"])
def test_amcl_and_slam_toolbox_learn_where_the_robot_is_now(probe, node, bridged, held):
    bridge, space = bridged("initialpose")
    topic = f"{space}/initialpose"
    amcl = Amcl(probe, topic, {at(step): robot(step) for step in range(40)}, (100, 100))
    toolbox = SlamToolbox(probe, topic)
    wait_until_matched(probe, node)
    for now in range(20):
        amcl.now_ns = at(now)
        bridge.publish(recognized(now, located=now - held if now >= held else None))
        time.sleep(0.05)
    wait_for(lambda: amcl.poses and toolbox.poses, "a pose")
    time.sleep(0.3)
    assert (len(amcl.poses), len(toolbox.poses), amcl.refused) == (1, 1, [])
    for pose in (amcl.poses[0], toolbox.poses[0]):
        np.testing.assert_allclose(pose, robot(held + 2), atol=1e-9)
    # The heading's error has become one across the way since, so the pose is less certain, not more.
    assert amcl.covariances[0][2, 2] == pytest.approx(0.01)
    assert np.linalg.eigvalsh(amcl.covariances[0][:2, :2])[-1] >= 0.01 - 1e-12
    if held:
        assert np.trace(amcl.covariances[0][:2, :2]) > 0.2


def test_an_old_pose_is_not_told_where_no_odometry_moves_it_on(probe, node, bridged):
    bridge, space = bridged("initialpose")
    toolbox = SlamToolbox(probe, f"{space}/initialpose")
    wait_until_matched(probe, node)
    for now in range(10, 20):
        bridge.publish(recognized(now, located=now - 3, odometry=False))
    for now in range(20, 24):
        bridge.publish(recognized(now, located=now, odometry=False))
        time.sleep(0.05)
    wait_for(lambda: toolbox.poses, "a pose")
    np.testing.assert_allclose(toolbox.poses[0], robot(22), atol=1e-9)
