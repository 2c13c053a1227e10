"""Relative pose from directions, on points with known motion and known noise."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose, skew
from a2gc_ros.loops.verification import estimators, refinement
from a2gc_ros.loops.verification.refinement import TwoViews
from a2gc_ros.loops.verification.sampson import Matches, homogeneous
from a2gc_ros.loops.verification.two_view import Motion, refine

NOISE = 0.001
TOLERANCE = 4 * NOISE


def scene(rng: np.random.Generator, motion: Pose, *, flat: bool = False, outliers: int = 0):
    """Returns matched points of two views, and the essential matrix of the motion ``t_b_a``."""
    points = rng.uniform([-6, -3, 4], [6, 3, 25], (150, 3))
    if flat:
        points[:, 2] = 12 + 0.3 * points[:, 0]
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    a, b = (p[:, :2] / p[:, 2:] + rng.normal(0, NOISE, (150, 2)) for p in (points, moved))
    b[:outliers] = rng.uniform(-1, 1, (outliers, 2))
    x, y, z = motion[:3, 3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return a, b, cross @ motion[:3, :3]


def motion_of(rng: np.random.Generator, baseline: float) -> Pose:
    direction = rng.standard_normal(3)
    turn = rng.uniform(-0.1, 0.1, 3)
    return geometry.pose_from_quaternion(baseline * direction / np.linalg.norm(direction), [*np.sin(turn / 2), 1.0])


def disturbed(essential: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns an essential matrix near a given one, as a robust estimator would."""
    left, _, right = np.linalg.svd(essential + 0.002 * np.abs(essential).max() * rng.standard_normal((3, 3)))
    return left @ np.diag([1.0, 1, 0]) @ right


def error(result: Motion, truth: Pose) -> np.ndarray:
    """Returns the error of direction and rotation in the order of the covariance, (6,)."""
    assert result.pose is not None
    direction = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    r = result.pose[:3, :3] @ truth[:3, :3].T
    turn = 0.5 * np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    return np.concatenate([result.pose[:3, 3] - direction, turn])


@pytest.mark.parametrize("matches", [14, 16, 20, 25])
def test_the_fewer_matches_may_disagree_the_fewer_samples_find_as_much(matches: int) -> None:
    least = 14 / matches
    found = {least: 0, 0.0: 0}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a, b, _ = (part[:matches] for part in scene(rng, motion_of(rng, 1.0)))
        b[14:] = rng.uniform(-1, 1, (matches - 14, 2))
        for share in found:
            fit = estimators.essential(a, b, TOLERANCE, share)
            found[share] += fit is not None and bool(fit.inliers[:14].mean() >= 0.9)
    assert found[least] >= found[0.0] - 1


@pytest.mark.parametrize("outliers", [0, 40])
@pytest.mark.parametrize("seed", range(8))
def test_the_motion_is_found_among_outliers(seed: int, outliers: int) -> None:
    rng = np.random.default_rng(seed)
    truth = motion_of(rng, 1.0)
    a, b, essential = scene(rng, truth, outliers=outliers)
    result = refine(a, b, disturbed(essential, rng), TOLERANCE)
    assert result.pose is not None, result.reason
    off = error(result, truth)
    assert np.linalg.norm(off[:3]) < 0.08
    assert np.linalg.norm(off[3:]) < 0.005
    assert result.inliers[outliers:].mean() > 0.95


@pytest.mark.parametrize("seed", range(5))
def test_poselib_and_numpy_find_the_same_minimum(seed: int) -> None:
    pytest.importorskip("poselib")
    rng = np.random.default_rng(seed)
    truth = motion_of(rng, 1.0)
    a, b, _ = scene(rng, truth, outliers=20)
    matches, scale = Matches(homogeneous(a), homogeneous(b)), TOLERANCE / 3
    start = TwoViews(np.eye(3), truth[:3, 3] / np.linalg.norm(truth[:3, 3]))
    mine, theirs = (way(start, matches, scale) for way in (refinement._by_numpy, refinement._by_poselib))
    assert theirs.cost == pytest.approx(mine.cost, rel=1e-3)
    np.testing.assert_allclose(theirs.motion.rotation, mine.motion.rotation, atol=1e-4)
    np.testing.assert_allclose(theirs.motion.direction, mine.motion.direction, atol=2e-3)


def test_without_poselib_the_motion_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "poselib", None)
    rng = np.random.default_rng(2)
    truth = motion_of(rng, 1.0)
    a, b, essential = scene(rng, truth, outliers=40)
    result = refine(a, b, disturbed(essential, rng), TOLERANCE)
    assert np.linalg.norm(error(result, truth)[:3]) < 0.08


def test_the_derivatives_of_the_sampson_error_are_right() -> None:
    rng = np.random.default_rng(4)
    motion = motion_of(rng, 1.0)
    a, b, _ = scene(rng, motion)
    matches = Matches(homogeneous(a), homogeneous(b))
    errors, jacobian = matches.linearized(motion[:3, :3], motion[:3, 3])
    np.testing.assert_allclose(errors, matches.errors(skew(motion[:3, 3]) @ motion[:3, :3]))
    for axis, step in enumerate(1e-6 * np.eye(6)):
        turn = np.eye(3) + skew(step[3:])
        moved, _ = matches.linearized(turn @ motion[:3, :3], motion[:3, 3] + step[:3])
        np.testing.assert_allclose((moved - errors) / 1e-6, jacobian[:, axis], atol=1e-4)


def test_the_covariance_is_that_of_the_errors() -> None:
    """Normalized squared errors over many noises average to the five degrees of freedom."""
    truth = motion_of(np.random.default_rng(3), 1.5)
    values = []
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        a, b, essential = scene(rng, truth)
        result = refine(a, b, essential, TOLERANCE)
        assert result.covariance is not None
        off = error(result, truth)
        values.append(off @ np.linalg.pinv(result.covariance, rcond=1e-6) @ off)
    # The mean of 60 chi-square variables of 5 degrees has a standard deviation of 0.41.
    assert 3.5 < np.mean(values) < 6.5


@pytest.mark.parametrize("seed", range(5))
def test_a_camera_that_only_turned_gets_no_motion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turned = motion_of(rng, 1e-9)
    a, b, _ = scene(rng, turned)
    guess = np.array([[0, -0.6, 0], [0.6, 0, -0.8], [0, 0.8, 0]]) @ turned[:3, :3]
    result = refine(a, b, guess, TOLERANCE)
    assert result.pose is None
    assert result.reason


def test_too_few_points_get_no_motion() -> None:
    rng = np.random.default_rng(0)
    a, b, essential = scene(rng, motion_of(rng, 1.0))
    assert refine(a[:7], b[:7], essential, TOLERANCE).pose is None


@pytest.mark.parametrize("seed", range(5))
def test_points_on_a_plane_give_the_right_motion_or_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = motion_of(rng, 1.0)
    a, b, essential = scene(rng, truth, flat=True)
    result = refine(a, b, disturbed(essential, rng), TOLERANCE)
    if result.pose is not None:
        assert np.linalg.norm(error(result, truth)[:3]) < 0.5
