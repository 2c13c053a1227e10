"""Poses from /tf: by our own reader and, where ROS brings it, by tf2_ros, with the same answers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs, from a distribution or from make venv")

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.geometry import Pose, pose_from_xy_yaw, pose_from_xyz_rpy
from a2gc_ros.nodes.base.conversions import header_message, pose_message
from a2gc_ros.nodes.inputs.transforms import OwnTransforms, RecentSamples, Tf2Transforms, Transforms

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
FOOT = pose_from_xyz_rpy((0.0, 0.0, 0.1, 0.0, 0.0, 0.0))


def motion(step: float) -> Pose:
    return pose_from_xy_yaw(step, 0.1 * step * step, 0.05 * step)


def edge(parent: str, child: str, stamp_ns: int, pose: Pose) -> TransformStamped:
    message = TransformStamped(header=header_message(stamp_ns, parent), child_frame_id=child)
    told = pose_message(pose)
    message.transform.translation.x = told.position.x
    message.transform.translation.y = told.position.y
    message.transform.translation.z = told.position.z
    message.transform.rotation = told.orientation
    return message


class Robot:
    """A robot that publishes /tf and /tf_static, and a reader of them."""

    def __init__(self, kind: str) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=1 + os.getpid() % 231)
        self.node = rclpy.create_node("transforms", context=self.context)
        self.problems: list[str] = []
        self.reader: Transforms
        if kind == "tf2_ros":
            self.reader = Tf2Transforms(self.node, importlib.import_module("tf2_ros"))
        else:
            self.reader = OwnTransforms(self.node, TFMessage, ReentrantCallbackGroup(), self.problems.append)
        latched = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.moving = self.node.create_publisher(TFMessage, "/tf", 100)
        self.static = self.node.create_publisher(TFMessage, "/tf_static", latched)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin)
        self.thread.start()
        end = time.monotonic() + 20
        while self.moving.get_subscription_count() + self.static.get_subscription_count() < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.3)

    def send(self, step: float, **changes: object) -> None:
        pose = changes.get("pose", motion(step))
        message = edge("odom", "base_footprint", START_NS + round(step * STEP_NS), pose)  # type: ignore[arg-type]
        self.moving.publish(TFMessage(transforms=[message]))

    def pose(self, step: float, timeout_s: float = 5.0) -> Pose | None:
        return self.reader.pose_at("odom", "base_link", START_NS + round(step * STEP_NS), timeout_s)

    def close(self) -> None:
        self.reader.close()
        self.executor.shutdown()
        self.thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture(params=["own", "tf2_ros"])
def robot(request: pytest.FixtureRequest) -> Iterator[Robot]:
    if request.param == "tf2_ros" and importlib.util.find_spec("tf2_ros") is None:
        pytest.skip("needs tf2_ros, which comes with a ROS distribution and is not on PyPI")
    made = Robot(request.param)
    yield made
    made.close()


def test_poses_of_a_chain_are_interpolated_waited_for_and_not_made_up(robot: Robot) -> None:
    for step in range(5):
        robot.send(step)
    assert robot.pose(1, 0.1) is None
    robot.static.publish(TFMessage(transforms=[edge("base_footprint", "base_link", 0, FOOT)]))
    stamps = [START_NS + step * STEP_NS for step in range(5)]
    truth = Trajectory.from_poses(zip(stamps, map(motion, range(5)), strict=True))
    between = truth.interpolate(START_NS + round(2.5 * STEP_NS))
    assert between is not None
    np.testing.assert_allclose(robot.pose(2.5), between @ FOOT, atol=1e-6)
    assert robot.reader.connected("odom", "base_link")
    assert not robot.reader.connected("odom", "wagon")
    later = threading.Timer(0.3, robot.send, [5])
    later.start()
    np.testing.assert_allclose(robot.pose(5), motion(5) @ FOOT, atol=1e-6)
    later.join()
    # A little beyond the newest sample that one is near enough; far beyond nobody knows.
    np.testing.assert_allclose(robot.pose(6, 0.05), motion(5) @ FOOT, atol=1e-6)
    assert robot.pose(9, 0.05) is None
    assert robot.pose(-1, 0.05) is None


def test_a_clock_that_goes_back_begins_anew(robot: Robot) -> None:
    robot.static.publish(TFMessage(transforms=[edge("base_footprint", "base_link", 0, FOOT)]))
    for step in (3000, 3001):
        robot.send(step, pose=np.eye(4))
    np.testing.assert_allclose(robot.pose(3000), FOOT, atol=1e-6)
    # The images that meet the jump find nothing; what comes next is heard.
    end = time.monotonic() + 10
    while (pose := robot.pose(1, 0.05)) is None:
        assert time.monotonic() < end
        for step in (1, 2):
            robot.send(step)
        time.sleep(0.05)
    np.testing.assert_allclose(pose, motion(1) @ FOOT, atol=1e-6)


def test_what_is_no_pose_is_told_and_the_others_are_kept() -> None:
    robot = Robot("own")
    try:
        broken = edge("odom", "arm", START_NS, np.eye(4))
        broken.transform.rotation.w = float("nan")
        good = edge("odom", "base_link", START_NS, np.eye(4))
        robot.moving.publish(TFMessage(transforms=[broken, good]))
        assert robot.pose(0) is not None
        assert robot.problems
        assert "odom to arm is no pose" in robot.problems[0]
    finally:
        robot.close()


def test_old_samples_go() -> None:
    samples = RecentSamples()
    for second in range(100):
        samples.add(second * 10**9, (float(second), 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    add: Callable[[int], None] = lambda stamp: samples.add(stamp, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))  # noqa: E731
    add(99 * 10**9)
    assert samples.interpolate(50 * 10**9) is None
    pose = samples.interpolate(98_500_000_000)
    assert pose is not None
    assert pose[0, 3] == pytest.approx(98.5)
    add(0)
    assert samples.newest_ns == 0
