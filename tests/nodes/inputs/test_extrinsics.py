from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3

from a2gc_ros.geometry import pose_from_quaternion
from a2gc_ros.nodes.inputs.extrinsics import CameraExtrinsics

ASSUMED = pose_from_quaternion((0.1, 0.2, 0.3), (0.5, -0.5, 0.5, -0.5))


def edge(parent: str, child: str, translation: tuple, quaternion: tuple = (0.0, 0.0, 0.0, 1.0)) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.transform.translation = Vector3(**dict(zip("xyz", translation, strict=True)))
    message.transform.rotation = Quaternion(**dict(zip("xyzw", quaternion, strict=True)))
    return message


def test_without_transforms_the_parameter_holds() -> None:
    np.testing.assert_array_equal(CameraExtrinsics(ASSUMED).pose("base_link", "camera"), ASSUMED)


def test_a_chain_of_fixed_transforms_goes_first() -> None:
    extrinsics = CameraExtrinsics(ASSUMED)
    half = math.sqrt(0.5)
    extrinsics.add(edge("base_link", "mast", (0.0, 0.0, 1.0), (0.0, 0.0, half, half)))
    extrinsics.add(edge("mast", "camera", (0.5, 0.0, 0.0)))
    expected = pose_from_quaternion((0.0, 0.5, 1.0), (0.0, 0.0, half, half))
    np.testing.assert_allclose(extrinsics.pose("base_link", "/camera"), expected, atol=1e-12)
    np.testing.assert_allclose(extrinsics.pose("", "camera"), expected, atol=1e-12)


def test_a_camera_elsewhere_or_another_robot_gets_the_parameter() -> None:
    extrinsics = CameraExtrinsics(ASSUMED)
    extrinsics.add(edge("base_link", "camera", (0.0, 0.0, 1.0)))
    np.testing.assert_array_equal(extrinsics.pose("base_link", "other_camera"), ASSUMED)
    np.testing.assert_array_equal(extrinsics.pose("wagon", "camera"), ASSUMED)


def test_what_is_no_pose_is_refused() -> None:
    with pytest.raises(ValueError, match="not a pose"):
        CameraExtrinsics(ASSUMED).add(edge("base_link", "camera", (0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)))
