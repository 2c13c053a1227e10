"""The motion between keyframes: direction and rotation of the images, length and doubt of odometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.loops.verification.clusters import shared_errors
from a2gc_ros.loops.verification.landmarks import triangulate
from a2gc_ros.loops.verification.neighbor_motion import NeighborMotion, prior_std, refine_motion

NOISE = 0.3 / 320


def pose(translation: tuple[float, ...], rotation: tuple[float, ...]) -> np.ndarray:
    out = np.eye(4)
    out[:3, 3] = translation
    out[:3, :3] = cv2.Rodrigues(np.array(rotation))[0]
    return out


def views(rng: np.random.Generator, t_b_a: np.ndarray, count: int = 200):
    points = rng.uniform([-8, -4, 5], [8, 3, 40], (count, 3))
    moved = points @ t_b_a[:3, :3].T + t_b_a[:3, 3]
    return points, *(p[:, :2] / p[:, 2:] + rng.normal(0, NOISE, (count, 2)) for p in (points, moved))


@pytest.mark.parametrize("seed", range(6))
def test_images_correct_what_odometry_has_wrong(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = pose((0.1, 0.0, -2.0), (0.0, 0.05, 0.0))
    _, a, b = views(rng, truth)
    b[:30] = rng.uniform(-0.7, 0.7, (30, 2))
    wrong = truth.copy()
    wrong[:3, 3] *= 1.02
    wrong[:3, :3] = pose((0, 0, 0), (0.008, -0.01, 0.005))[:3, :3] @ truth[:3, :3]
    found = refine_motion(a, b, wrong, np.full(200, NOISE))
    assert found is not None
    assert geometry.rotation_angle(found.pose, truth) < 0.004
    assert np.linalg.norm(found.pose[:3, 3]) == pytest.approx(2.04, abs=0.02)
    # The length is as uncertain as odometry, the direction far less.
    spread = np.sqrt(np.diag(found.covariance))
    assert spread[2] == pytest.approx(prior_std(truth)[2], rel=0.4)
    assert spread[3:].max() < 0.2 * prior_std(truth)[3]
    assert found.inliers[30:].mean() > 0.95
    assert found.inliers[:30].mean() < 0.3
    assert found.noise_factor == pytest.approx(1, abs=0.3)


def test_images_that_contradict_odometry_give_nothing() -> None:
    rng = np.random.default_rng(0)
    _, a, b = views(rng, pose((2.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    assert refine_motion(a, b, pose((0.0, 0.0, -2.0), (0.0, 0.0, 0.0)), np.full(200, NOISE)) is None


def test_a_motion_the_other_way_has_the_covariance_of_sampled_ones() -> None:
    rng = np.random.default_rng(0)
    there = pose((0.5, 0.2, -2.0), (0.02, 0.4, -0.1))
    root = np.diag([0.01, 0.02, 0.05, 0.004, 0.001, 0.002]) @ rng.standard_normal((6, 6)) / 2
    motion = NeighborMotion(there, root @ root.T, np.ones(9, dtype=bool), 1.0)
    back = motion.reversed()
    np.testing.assert_allclose(back.pose @ there, np.eye(4), atol=1e-12)
    off = []
    for error in rng.standard_normal((4000, 6)) @ root.T:
        moved = pose(error[:3], error[3:])
        moved[:3, :3] = moved[:3, :3] @ there[:3, :3]
        moved[:3, 3] += there[:3, 3]
        wrong = np.linalg.inv(moved)
        off.append([*(wrong - back.pose)[:3, 3], *cv2.Rodrigues(wrong[:3, :3] @ back.pose[:3, :3].T)[0].ravel()])
    np.testing.assert_allclose(np.cov(np.array(off).T), back.covariance, atol=0.05 * np.abs(back.covariance).max())
    again = back.reversed()
    np.testing.assert_allclose(again.covariance, motion.covariance, atol=1e-12)


def test_depths_and_their_derivatives_are_right() -> None:
    rng = np.random.default_rng(1)
    truth = pose((0.5, 0.0, -2.0), (0.0, 0.05, 0.0))
    points, _, _ = views(rng, truth)
    a = points[:, :2] / points[:, 2:]
    moved = points @ truth[:3, :3].T + truth[:3, 3]
    b = moved[:, :2] / moved[:, 2:]
    noise = np.full(len(a), NOISE)
    found = triangulate(a, b, truth, noise, noise)
    np.testing.assert_allclose(found.inverse_depths, 1 / points[:, 2], rtol=1e-6)
    for axis in range(6):
        step = np.zeros(6)
        step[axis] = 1e-6
        off = truth.copy()
        off[:3, 3] += step[:3]
        off[:3, :3] = cv2.Rodrigues(step[3:])[0] @ truth[:3, :3]
        changed = triangulate(a, b, off, noise, noise).inverse_depths
        usable = np.sqrt(found.covariances[:, 2, 2]) < 0.01
        slopes = (changed - found.inverse_depths)[usable] / 1e-6
        np.testing.assert_allclose(slopes, found.by_motion[usable, axis], rtol=1e-2, atol=1e-3)


def test_the_variance_of_a_depth_is_that_of_sampled_ones() -> None:
    rng = np.random.default_rng(2)
    truth = pose((0.5, 0.0, -2.0), (0.0, 0.05, 0.0))
    points = np.repeat(np.array([[3.0, -1.0, 10.0]]), 4000, axis=0)
    moved = points @ truth[:3, :3].T + truth[:3, 3]
    a, b = (p[:, :2] / p[:, 2:] + rng.normal(0, NOISE, (4000, 2)) for p in (points, moved))
    noise = np.full(4000, NOISE)
    found = triangulate(a, b, truth, noise, noise)
    sampled = np.cov(np.column_stack([a, found.inverse_depths]).T)
    np.testing.assert_allclose(sampled, found.covariances.mean(axis=0), rtol=0.12, atol=2e-8)


def test_errors_that_neighbours_share_count_more_than_independent_ones() -> None:
    rng = np.random.default_rng(3)
    rays = rng.uniform(-0.5, 0.5, (400, 2))
    jacobian = np.ones((400, 1))
    inverse = np.array([[1 / 400]])
    alone = shared_errors(rays, rng.standard_normal((400, 1)) * jacobian, inverse)
    cell = (np.floor((rays + 0.5) * 6) @ [1, 6]).astype(int)
    together = shared_errors(rays, rng.standard_normal(50)[cell, None] * jacobian, inverse)
    assert alone[0, 0] == pytest.approx(1 / 400, rel=0.6)
    assert together[0, 0] > 4 * alone[0, 0]
