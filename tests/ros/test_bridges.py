"""Bridges over the middleware."""

from __future__ import annotations

import time

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from node_process import new_namespace
from places import image_message, stamp, view
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from ros_probe import spinning, wait_for, wait_until_matched
from sensor_msgs.msg import Image
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from a2gc_ros.bridges.bridge import Recognized
from a2gc_ros.bridges.choose import open_bridges
from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.loops import Detection, LoopClosure, Match
from a2gc_ros.nodes.base.conversions import header_message, pose_with_covariance_message

SECOND = 10**9
START = 1_700_000_000 * SECOND


def recognized(step: int) -> Recognized:
    stamp_ns = START + step * SECOND + 5
    closure = LoopClosure(Match(stamp_ns, 0, 7, 1, stamp_ns - 40 * SECOND, 0.9))
    pose = PoseWithCovarianceStamped(
        header=header_message(stamp_ns, "map"),
        pose=pose_with_covariance_message(pose_from_xy_yaw(step, 2.0, 0.5), 0.01 * np.eye(6)),
    )
    descriptor = np.zeros(8, np.float32)
    detection = Detection(stamp_ns, closures=[closure])
    return Recognized(stamp_ns, "camera", detection, descriptor, np.eye(4), pose, 0.999)


@pytest.fixture
def node(probe):
    """A lifecycle node of the test's own, active."""
    made = LifecycleNode("bridged", namespace=new_namespace(), context=probe.context)
    made.trigger_configure()
    with spinning(made, probe.context):
        yield made


def test_lio_sam_and_initialpose_hear_what_they_should(probe, node):
    space = node.get_namespace()
    bridges = open_bridges(node, ["lio_sam", "initialpose"])
    node.trigger_activate()
    arrays: list[Float64MultiArray] = []
    quality = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    topic = f"{space}/lio_loop/loop_closure_detection"
    # As LIO-SAM subscribes: best effort, keep last 1.
    probe.node.create_subscription(Float64MultiArray, topic, arrays.append, quality)
    poses = probe.listen(PoseWithCovarianceStamped, f"{space}/initialpose")
    wait_until_matched(probe, node)

    def tell(steps) -> None:
        for step in steps:
            for bridge in bridges:
                bridge.publish(recognized(step))
            time.sleep(0.05)

    tell(range(6))
    wait_for(lambda: len(arrays) == 6, "six pairs of stamps")
    assert list(arrays[-1].data) == [(START + 5 * SECOND + 5) / 1e9, (START - 35 * SECOND + 5) / 1e9]
    wait_for(lambda: poses, "a pose")
    answer = probe.call(Trigger, f"{space}/bridged/publish_initial_pose", Trigger.Request())
    assert answer.success
    tell(range(6, 12))
    wait_for(lambda: len(poses) == 2, "the pose that was asked for")
    # The stamp stays the image's, to the nanosecond, and nothing is streamed.
    assert [(p.header.stamp.sec, p.header.stamp.nanosec) for p in poses] == [(1_700_000_002, 5), (1_700_000_008, 5)]
    for bridge in bridges:
        bridge.close()


def test_a_bridge_that_cannot_be_is_refused(start_node):
    node = start_node(bridges=["lio_sam", "cartographer"])
    node.wait_for_log("bridges names 'cartographer' but there are lio_sam, rtabmap, hydra")
    assert node.state() == "unconfigured"


def test_the_node_opens_the_bridges_it_is_told(start_node, probe):
    node = start_node(bridges=["lio_sam", "initialpose"]).wait_until_active()
    wait_for(lambda: probe.node.count_publishers(node.topic("lio_loop/loop_closure_detection")), "the bridge's topic")
    images = probe.publisher(Image, node.topic("image"), best_effort=True)
    node.wait_until_heard(images)
    sent = iter(range(10**6))

    def worked() -> bool:
        images.publish(image_message(view(0), stamp(next(sent))))
        time.sleep(0.1)
        return node.count("recognition", "processed") > 2

    wait_for(worked, "images worked on, bridges told")
    assert "an image was skipped" not in node.log
    answer = probe.call(Trigger, f"{node.name}/publish_initial_pose", Trigger.Request())
    assert "told on initialpose, once" in answer.message
    assert node.stop() == 0
