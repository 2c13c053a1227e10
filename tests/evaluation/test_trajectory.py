from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.errors import BagError
from a2gc_ros.evaluation.trajectory import align, aligned, at_stamps_of, trajectory_error
from a2gc_ros.geometry import inverse, pose_from_xyz_rpy

motions = st.builds(lambda *v: pose_from_xyz_rpy(v), *[st.floats(-3, 3)] * 6)


def walk(seed: int, steps: int = 60) -> Trajectory:
    rng = np.random.default_rng(seed)
    poses = [np.eye(4)]
    for _ in range(steps - 1):
        poses.append(poses[-1] @ pose_from_xyz_rpy((1.0, 0.0, 0.0, *rng.normal(0, 0.15, 3))))
    return Trajectory.from_poses((10**9 * i, pose) for i, pose in enumerate(poses))


def moved(trajectory: Trajectory, motion: np.ndarray) -> Trajectory:
    return Trajectory.from_poses((int(s), motion @ trajectory.pose(i)) for i, s in enumerate(trajectory.stamps_ns))


def noisy(trajectory: Trajectory, sigma: float) -> Trajectory:
    offsets = np.random.default_rng(5).normal(0, sigma, trajectory.positions.shape)
    return Trajectory(trajectory.stamps_ns, trajectory.positions + offsets, trajectory.quaternions)


@given(motions, st.integers(0, 5))
@settings(deadline=None, max_examples=25)
def test_a_trajectory_in_another_frame_has_no_error(motion, seed):
    truth = walk(seed)
    error = trajectory_error(moved(truth, motion), truth)
    assert max(error.ate_rmse_m, error.ate_max_m, error.end_m, error.rpe_m, error.rpe_deg) < 1e-6
    np.testing.assert_allclose(align(moved(truth, motion).positions, truth.positions), inverse(motion), atol=1e-6)


def test_the_alignment_is_the_best_there_is():
    truth = walk(1)
    estimate = noisy(truth, 0.5)
    best = trajectory_error(estimate, truth).ate_rmse_m
    laid = aligned(estimate, truth)
    rng = np.random.default_rng(2)
    for _ in range(200):
        nudge = pose_from_xyz_rpy(rng.normal(0, 0.02, 6))
        other = moved(laid, nudge).positions
        assert np.sqrt(np.mean(np.sum((other - truth.positions) ** 2, axis=1))) > best - 1e-12


def test_a_mirrored_path_is_not_turned_inside_out():
    truth = walk(3)
    mirrored = truth.positions * [1, 1, -1]
    assert np.linalg.det(align(mirrored, truth.positions)[:3, :3]) == pytest.approx(1.0)


def test_errors_equal_the_naive_ones():
    truth = walk(4)
    estimate = noisy(truth, 0.3)
    error = trajectory_error(estimate, truth)
    laid = aligned(estimate, truth)
    squares, furthest = 0.0, 0.0
    for i in range(len(truth)):
        distance = sum((laid.positions[i][k] - truth.positions[i][k]) ** 2 for k in range(3)) ** 0.5
        squares, furthest = squares + distance**2, max(furthest, distance)
    assert error.ate_rmse_m == pytest.approx((squares / len(truth)) ** 0.5)
    assert error.ate_max_m == pytest.approx(furthest)
    # Every step is one metre long, so ten metres are ten steps.
    relative = []
    for i in range(len(truth) - 10):
        true = inverse(truth.pose(i)) @ truth.pose(i + 10)
        estimated = inverse(estimate.pose(i)) @ estimate.pose(i + 10)
        relative.append(np.linalg.norm((inverse(true) @ estimated)[:3, 3]))
    assert error.rpe_m == pytest.approx(np.sqrt(np.mean(np.square(relative))), rel=0.03)


def test_only_stamps_with_truth_count():
    truth = walk(6)
    late = Trajectory(truth.stamps_ns + 10**9 * 50 + 5 * 10**8, truth.positions, truth.quaternions)
    shared, at = at_stamps_of(late, truth)
    assert len(shared) == len(at) == 9
    np.testing.assert_allclose(at.positions[0], (truth.positions[50] + truth.positions[51]) / 2, atol=1e-9)
    far = Trajectory(truth.stamps_ns + 10**15, truth.positions, truth.quaternions)
    with pytest.raises(BagError, match="cover 0 of 60 poses; are both on the same clock"):
        at_stamps_of(far, truth)


def test_a_short_way_has_no_relative_error():
    truth = walk(7, steps=5)
    assert np.isnan(trajectory_error(truth, truth).rpe_m)
