"""A robot that tells where it is by /tf alone, and where its camera sits only after a while."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from places import LOOP_PARAMETERS, image_message, odometry_message, pose, stamp, view
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from ros_probe import wait_for
from sensor_msgs.msg import Image

from a2gc_msgs.srv import SaveMap
from a2gc_ros.geometry import Pose, pose_from_xyz_rpy
from a2gc_ros.nodes.base.conversions import header_message, pose_message
from a2gc_ros.placemap import PlaceMap

TFMessage = pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs, from a distribution or make venv").TFMessage

PARAMETERS: dict[str, object] = {
    **LOOP_PARAMETERS,
    "loop.verify": False,
    "silence_timeout": 1.0,
    "diagnostics_period": 0.2,
}
MOUNTED = pose_from_xyz_rpy((0.2, 0.0, 0.9, -np.pi / 2, 0.0, -np.pi / 2))
LATCHED = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
READERS = 1 if importlib.util.find_spec("tf2_ros") else 2
"""Subscriptions of the node's own to /tf_static: the camera's place, and poses where tf2_ros does not read them."""


def edge(parent: str, child: str, stamp_ns: int, t_parent_child: Pose) -> TransformStamped:
    message = TransformStamped(header=header_message(stamp_ns, parent), child_frame_id=child)
    told = pose_message(t_parent_child)
    at = message.transform.translation
    at.x, at.y, at.z = told.position.x, told.position.y, told.position.z
    message.transform.rotation = told.orientation
    return message


def tell(node, static, transform: TransformStamped) -> None:
    """Publishes a fixed transform and waits until the node has it: one that is none follows, and is counted."""
    spoilt = edge("nowhere", "nothing", 0, np.eye(4))
    spoilt.transform.rotation.w = float("nan")
    before = node.count("camera", "bad messages: transforms")
    static.publish(TFMessage(transforms=[transform, spoilt]))
    wait_for(lambda: node.count("camera", "bad messages: transforms") >= before + READERS, "the transform")


def send_image(node, images, step: int) -> None:
    before = len(node.closures)
    images.publish(image_message(view(step), stamp(step)))
    wait_for(lambda: len(node.closures) > before, f"an answer: {node.log[-800:]}")


def keyframes(node, probe, tmp_path) -> list:
    path = tmp_path / "live.a2gc"
    assert probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path=str(path), overwrite=True)).success
    with PlaceMap.open(path, read_only=True) as place_map:
        return [place_map.keyframe(number) for number in range(1, len(place_map) + 1)]


def test_poses_come_from_tf_and_the_cameras_place_may_come_late(start_node, probe, tmp_path):
    node = start_node(odom_frame="track", base_frame="waggon", **PARAMETERS).wait_until_active()
    images = probe.publisher(Image, node.topic("image"))
    moving = probe.publisher(TFMessage, "/tf", depth=100)
    static = probe.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    # Of another part of the robot: somebody publishes, so the camera's place may come.
    static.publish(TFMessage(transforms=[edge("waggon", "laser", 0, np.eye(4))]))
    for publisher in (moving, static):
        node.wait_until_heard(publisher)
    node.shake_hands(images)
    for step in range(6):
        if step == 3:
            tell(node, static, edge("waggon", "camera", 0, MOUNTED))
        for offset_ns in (-50_000_000, 50_000_000):
            transform = edge("track", "waggon", stamp(step) + offset_ns, pose(step))
            moving.publish(TFMessage(transforms=[transform]))
        send_image(node, images, step)
    kept = keyframes(node, probe, tmp_path)
    assert len(kept) == 6
    for step, keyframe in enumerate(kept):
        np.testing.assert_allclose(keyframe.pose, pose(step), atol=1e-6)
        if step < 3:
            assert keyframe.t_base_camera is None
        else:
            np.testing.assert_allclose(keyframe.t_base_camera, MOUNTED, atol=1e-6)
    assert len({keyframe.session_id for keyframe in kept}) == 1
    wait_for(lambda: "/tf, from track to waggon" in node.message("odometry"), "the source of the poses")
    wait_for(
        lambda: node.value("calibration", "camera on the robot") == "/tf_static", "the source of the camera's place"
    )
    # Odometry that begins now would be of another origin.
    odometry = probe.publisher(Odometry, node.topic("odom"))
    node.wait_until_heard(odometry)
    wait_for(lambda: odometry.publish(odometry_message(0, stamp(0))) or "is passed over" in node.log, "a warning")
    for publisher in (moving, static, odometry):
        probe.node.destroy_publisher(publisher)


def test_a_place_of_the_camera_that_was_set_holds_until_another_is_told(start_node, probe, tmp_path):
    assumed = [0.0, 0.0, 0.5, -1.57, 0.0, -1.57]
    node = start_node(camera_pose=assumed, **PARAMETERS).wait_until_active()
    images = probe.publisher(Image, node.topic("image"))
    odometry = probe.publisher(Odometry, node.topic("odom"))
    static = probe.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    node.wait_until_heard(static)
    node.shake_hands(images, odometry)
    for step in range(4):
        if step == 2:
            tell(node, static, edge("base_link", "camera", 0, MOUNTED))
        for offset_ns in (-50_000_000, 50_000_000):
            odometry.publish(odometry_message(step, stamp(step) + offset_ns))
        send_image(node, images, step)
    kept = keyframes(node, probe, tmp_path)
    for keyframe, expected in zip(kept, 2 * [pose_from_xyz_rpy(assumed)] + 2 * [MOUNTED], strict=True):
        np.testing.assert_allclose(keyframe.t_base_camera, expected, atol=1e-6)
    assert [keyframe.session_id for keyframe in kept] == [1, 1, 2, 2]
    assert "the camera's place on the robot is told differently from before: a new session begins" in node.log
    probe.node.destroy_publisher(static)


def test_who_has_neither_is_told_what_is_missing_for_metres(start_node, probe):
    node = start_node(odom_topic="wheels", **PARAMETERS).wait_until_active()
    assert f"{node.topic('camera_info')}, /tf_static, {node.topic('wheels')}, /tf (by " in node.log
    node.wait_for_log(f"calibration: no calibration, so closures carry no pose, .*{node.topic('camera_info')}")
    node.wait_for_log(f"odometry: no odometry, so closures of this run carry no metres: .*{node.topic('wheels')}")
    wait_for(lambda: "no transforms lead from odom to base_link" in node.message("odometry"), "the cause")
    # The log is ahead of the diagnostics, and one report may find odometry silent and the calibration not yet.
    wait_for(lambda: node.level("calibration") == b"\1", "a warning")
