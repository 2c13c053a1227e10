from __future__ import annotations

import gtsam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros import geometry
from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import pose_from_xy_yaw, pose_from_xyz_rpy
from a2gc_ros.slam.noise import ClosureNoise, OdometryNoise, adjoint, growth_of, in_tangent

numbers = st.floats(-3, 3)
poses = st.builds(lambda *v: pose_from_xyz_rpy(v), *[numbers] * 6)


def random_covariance(seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(6, 6))
    return a @ a.T + 0.1 * np.eye(6)


@given(poses)
@settings(deadline=None)
def test_the_adjoint_is_gtsams(pose):
    np.testing.assert_allclose(adjoint(pose), gtsam.Pose3(pose).AdjointMap(), atol=1e-9)


def test_a_covariance_in_fixed_axes_is_that_of_samples_in_the_tangent():
    rng = np.random.default_rng(1)
    pose = pose_from_xyz_rpy((1.0, -2.0, 0.5, 0.3, -0.4, 1.2))
    covariance = 1e-4 * random_covariance(2)
    samples = []
    for delta in rng.multivariate_normal(np.zeros(6), covariance, 20_000):
        moved = np.eye(4)
        moved[:3, :3] = gtsam.Rot3.Expmap(delta[3:]).matrix() @ pose[:3, :3]
        moved[:3, 3] = pose[:3, 3] + delta[:3]
        samples.append(gtsam.Pose3.Logmap(gtsam.Pose3(geometry.relative(pose, moved))))
    np.testing.assert_allclose(in_tangent(covariance, pose), np.cov(np.array(samples).T), atol=3e-5)


@pytest.mark.parametrize("far", [1.0, 4.0])
def test_odometry_errors_grow_with_the_root_of_the_way(far):
    covariance = OdometryNoise(0.05, 0.01).covariance(pose_from_xyz_rpy((far, 0, 0.1, 0, 0, 0)))
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), np.sqrt(far) * np.repeat([0.01, 0.05], 3), rtol=1e-2)


def test_odometry_in_a_plane_stays_near_it():
    sigmas = np.sqrt(np.diag(OdometryNoise().covariance(pose_from_xy_yaw(1.0, 0.0, 0.3))))
    assert max(sigmas[[0, 1]]) < 0.05 * sigmas[2]
    assert sigmas[5] < 0.05 * sigmas[3]


def test_messages_that_grow_less_certain_are_believed_and_constant_ones_are_not():
    before, after = pose_from_xy_yaw(0, 0, 0.5), pose_from_xy_yaw(0.9, 0.5, 0.7)
    step = np.diag([0.01, 0.02, 0.03, 0.2, 0.3, 0.1])
    start = in_tangent(random_covariance(3), before)
    carry = adjoint(geometry.relative(after, before))
    end = carry @ start @ carry.T + step
    back = np.block([[np.zeros((3, 3)), after[:3, :3]], [after[:3, :3], np.zeros((3, 3))]])
    growth = growth_of((before, random_covariance(3)), (after, back @ end @ back.T))
    np.testing.assert_allclose(growth, step, atol=1e-9)
    still = growth_of((before, 0.01 * np.eye(6)), (before, 0.01 * np.eye(6)))
    np.testing.assert_allclose(still, 0.0, atol=1e-12)


def test_what_a_driver_does_not_measure_does_not_count():
    covariance = np.diag([0.01, 0.01, 1e6, 1e6, 1e6, 0.01])
    later = np.diag([0.05, 0.01, 1e6, 1e6, 1e6, 0.01])
    later[0, 1] = later[1, 0] = np.nan
    growth = growth_of((np.eye(4), covariance), (np.eye(4), later))
    np.testing.assert_allclose(np.diag(growth), [0, 0, 0, 0.04, 0, 0], atol=1e-12)


def test_a_step_of_which_messages_are_sure_in_a_direction_stays_regular():
    rank_one = np.outer(np.arange(6.0), np.arange(6.0))
    covariance = OdometryNoise().covariance(pose_from_xy_yaw(1.0, 0.0, 0.0), rank_one)
    assert np.linalg.eigvalsh(covariance)[0] > 0


def test_a_closure_in_metres_keeps_pose_and_covariance():
    pose = pose_from_xyz_rpy((0.5, 0.1, 2.0, 0.1, 0.2, 0.3))
    noise = ClosureNoise(translation=1e-6, rotation=1e-6)
    measured, covariance = noise.covariance(pose, random_covariance(4), scale_known=True)
    np.testing.assert_array_equal(measured, pose)
    np.testing.assert_allclose(covariance, in_tangent(random_covariance(4), pose), atol=1e-9)


def test_a_direction_alone_says_little_along_it_and_much_across_it():
    pose = pose_from_xyz_rpy((0.0, 0.6, 0.8, 0.1, 0.2, 0.3))
    u = pose[:3, 3]
    measured, covariance = ClosureNoise(baseline=2.0).covariance(pose, None, scale_known=False)
    np.testing.assert_array_equal(measured[:3, 3], 0.0)
    np.testing.assert_array_equal(measured[:3, :3], pose[:3, :3])
    here = pose[:3, :3] @ covariance[3:, 3:] @ pose[:3, :3].T
    assert np.sqrt(u @ here @ u) == pytest.approx(2.0, rel=0.01)
    across = np.array([1.0, 0.0, 0.0])
    assert np.sqrt(across @ here @ across) == pytest.approx(np.hypot(2.0 * 0.05, 0.1), rel=0.01)


@pytest.mark.parametrize("noise", [OdometryNoise, ClosureNoise])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_noise_must_be_above_zero(noise, value):
    with pytest.raises(ConfigError, match=f"translation of {noise.__name__} is .*above zero"):
        noise(translation=value)
