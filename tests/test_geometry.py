"""Rigid transforms against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros import geometry

coordinate = st.floats(-1e3, 1e3)
quaternions = st.tuples(*[st.floats(-1, 1)] * 4).map(np.array).filter(lambda q: float(np.linalg.norm(q)) > 1e-3)
poses = st.builds(geometry.pose_from_quaternion, st.tuples(*[coordinate] * 3), quaternions)


@given(poses)
def test_rotation_is_orthonormal_and_survives_the_quaternion(pose: geometry.Pose) -> None:
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    q = geometry.quaternion_of(pose)
    assert q[3] >= 0
    np.testing.assert_allclose(geometry.pose_from_quaternion(pose[:3, 3], q), pose, atol=1e-9)


@given(poses, poses)
def test_relative_pose_carries_one_frame_into_the_other(a: geometry.Pose, b: geometry.Pose) -> None:
    np.testing.assert_allclose(a @ geometry.relative(a, b), b, atol=1e-8)
    np.testing.assert_allclose(geometry.inverse(a) @ a, np.eye(4), atol=1e-8)


@given(coordinate, coordinate, st.floats(-3.14, 3.14))
def test_planar_pose(x: float, y: float, yaw: float) -> None:
    pose = geometry.pose_from_xy_yaw(x, y, yaw)
    assert geometry.yaw_of(pose) == pytest.approx(yaw, abs=1e-9)
    assert geometry.distance(np.eye(4), pose) == pytest.approx(np.hypot(x, y))
    assert geometry.rotation_angle(np.eye(4), pose) == pytest.approx(abs(yaw), abs=1e-9)


@pytest.mark.parametrize("quaternion", [(0, 0, 0, 0), (float("nan"), 0, 0, 1)])
def test_what_is_no_rotation_is_refused(quaternion: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not a pose"):
        geometry.pose_from_quaternion((0, 0, 0), quaternion)
