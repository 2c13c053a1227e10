"""What is missing for metres, in the words of the log and the diagnostics."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")

from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.nodes.health.input_status import InputStream, PoseState, judge_calibration, judge_odometry

OK, WARN, STALE = b"\0", b"\1", b"\3"
CAMERA = CameraIntrinsics(640, 480, np.diag([500.0, 500.0, 1.0]), np.zeros(5))
INFO = "/cam/camera_info"


@pytest.mark.parametrize(
    ("stream", "intrinsics", "assumed", "level", "said"),
    [
        (InputStream(INFO, 3), CAMERA, False, OK, "plumb_bob, 640x480, from /cam/camera_info"),
        (InputStream(INFO, 3), CAMERA, True, WARN, "set camera_pose"),
        (InputStream(INFO, 3), None, False, OK, "waiting for an image"),
        (InputStream(INFO, silent=False), None, False, OK, "waiting for /cam/camera_info"),
        (InputStream(INFO, silent=True), None, False, WARN, "closures carry no pose"),
        (
            InputStream(INFO, silent=True, elsewhere=["/left"]),
            None,
            False,
            WARN,
            "nobody publishes /cam/camera_info: set camera_info_topic; topics of its type that exist: /left",
        ),
        (InputStream(INFO, silent=True, publishers=1), None, False, WARN, "has 1 publisher(s) but nothing arrives"),
    ],
)
def test_the_calibration(stream, intrinsics, assumed, level, said):
    finding = judge_calibration(stream, intrinsics, "", "/tf_static", assumed=assumed)
    assert finding.level == level
    assert said in finding.sentence
    assert finding.values["topic"] == INFO


def test_a_calibration_that_does_not_fit_says_why():
    finding = judge_calibration(InputStream(INFO, 3), None, "K is zero; calibrate it", "/tf_static", assumed=False)
    assert finding.level == WARN
    assert finding.sentence.endswith("K is zero; calibrate it")


HEARD = InputStream("/odom", 100)
SILENT = InputStream("/odom", silent=True, elsewhere=["/wheel/odom"])
FRAMES = ("odom", "base_link")


@pytest.mark.parametrize(
    ("state", "level", "said"),
    [
        (PoseState(HEARD, FRAMES, posed=9), OK, "/odom, from odom to base_link"),
        (PoseState(HEARD, ("odom", ""), posed=9), OK, "a frame without name"),
        (PoseState(HEARD, FRAMES, posed=1, unposed=8), WARN, "does not reach the images' stamps"),
        (PoseState(InputStream("/odom", 100, silent=True), FRAMES), STALE, "/odom has stopped"),
        (PoseState(InputStream("/odom", silent=False)), OK, "waiting for odometry"),
        (PoseState(SILENT), WARN, "topics of its type that exist: /wheel/odom"),
        (PoseState(SILENT), WARN, "no transforms lead from odom to base_link"),
        (PoseState(SILENT, lacks_transforms=True), WARN, "tf2_msgs is not installed"),
        (PoseState(SILENT, wanted="topic"), WARN, "so closures of this run carry no metres: nobody publishes /odom"),
        (PoseState(SILENT, FRAMES, transforms=True, posed=9), OK, "/tf, from odom to base_link"),
        (PoseState(SILENT, FRAMES, transforms=True, unposed=9), WARN, "/tf does not reach the images' stamps"),
        (
            PoseState(SILENT, wanted="tf", transforms=True),
            WARN,
            "no odometry, so closures of this run carry no metres: no",
        ),
    ],
)
def test_the_odometry(state, level, said):
    finding = judge_odometry(state)
    assert finding.level == level
    assert said in finding.sentence
