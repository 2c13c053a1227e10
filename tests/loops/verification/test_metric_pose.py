"""The camera in metres: exact scenes, honest covariances, and every way in which it cannot be known."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import load

from a2gc_ros import geometry
from a2gc_ros.loops.verification import landmarks
from a2gc_ros.loops.verification.landmarks import LandmarkCache
from a2gc_ros.loops.verification.metric_pose import DEPENDENCE, locate_query, realistic
from a2gc_ros.loops.verification.neighbor_motion import prior_std

scenes = load(Path(__file__).with_name("conftest.py"))
moved, error, cloud_of = scenes.moved, scenes.error, scenes.cloud_of

AHEAD = [moved((0.05, 0.0, 2.0), (0.0, 0.02, 0.0)), moved((0.0, 0.0, -1.5))]


def pairs_of(cloud) -> np.ndarray:
    return np.repeat(np.arange(len(cloud.points))[:, None], 2, axis=1)


def by_odometry(t_keyframe_neighbour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the neighbour's pose as odometry of the assumed quality has it."""
    exact = geometry.inverse(t_keyframe_neighbour)
    off = rng.normal(size=6) * prior_std(exact)
    wrong = exact.copy()
    wrong[:3, 3] += off[:3]
    wrong[:3, :3] = moved((0, 0, 0), off[3:])[:3, :3] @ exact[:3, :3]
    return geometry.inverse(wrong)


def keyframe_of(cloud, rng: np.random.Generator, neighbors=AHEAD, **options):
    seen = [cloud.view(pose, rng, odometry=by_odometry(pose, rng)) for pose in neighbors]
    return cloud.keyframe(np.eye(4), seen, rng, **options)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), x=st.floats(-2, 2), z=st.floats(-3, 3), yaw=st.floats(-0.3, 0.3))
def test_the_pose_is_found_in_metres(street, seed: int, x: float, z: float, yaw: float) -> None:
    rng = np.random.default_rng(seed)
    cloud = street(rng)
    truth = moved((x, 0.1, z), (0.01, yaw, 0.0))
    located = locate_query(cloud.view(truth, rng), keyframe_of(cloud, rng), pairs_of(cloud), None)
    assert located.pose is not None, located.reason
    off = error(located.pose, truth)
    assert np.linalg.norm(off[:3]) < 0.1 + 0.15 * np.hypot(x, z)
    assert np.linalg.norm(off[3:]) < 0.02


def test_errors_of_independent_features_are_as_large_as_the_covariance_says(street) -> None:
    """The normalized error squared is a chi-square variable with six degrees of freedom."""
    common = realistic(np.zeros((6, 6)))
    squares = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cloud = street(rng)
        truth = moved((*rng.uniform(-1, 1, 2) * [1, 0.1], rng.uniform(-1.5, 1.5)), rng.normal(0, 0.05, 3))
        located = locate_query(cloud.view(truth, rng), keyframe_of(cloud, rng), pairs_of(cloud), None)
        assert located.pose is not None, located.reason
        off = error(located.pose, truth)
        squares.append(off @ np.linalg.solve((located.covariance - common) / DEPENDENCE, off))
    # The mean of 60 such variables lies within 4.9 and 7.5 in 99.7 %; to first order, so a little is granted.
    assert 4.4 < np.mean(squares) < 8.5
    assert np.percentile(squares, 95) < 18


def test_landmarks_are_measured_once_and_again_with_another_neighbour(street) -> None:
    rng = np.random.default_rng(1)
    cloud = street(rng)
    near, far = (cloud.view(pose, rng) for pose in AHEAD)
    neighbors = [near]
    keyframe, cache = cloud.keyframe(np.eye(4), neighbors, rng), LandmarkCache()
    first = cache.of(keyframe)
    assert cache.of(keyframe) is first
    neighbors.append(far)
    second = cache.of(keyframe)
    assert len(second.motions) == len(first.motions) + 1
    taken = second.take(np.array([3, 1]))
    np.testing.assert_array_equal(taken.rays, second.rays[[3, 1]])
    assert taken.motions is second.motions


def test_landmarks_go_with_their_view(street) -> None:
    rng = np.random.default_rng(1)
    cloud, cache = street(rng), LandmarkCache()
    keyframe = cloud.keyframe(np.eye(4), [cloud.view(AHEAD[0], rng)], rng)
    kept = weakref.ref(cache.of(keyframe))
    gc.collect()
    assert kept() is not None
    del keyframe
    gc.collect()
    assert kept() is None


def test_what_neighbours_have_in_common_is_found_once_for_both(street, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    cloud, cache, asked = street(rng), LandmarkCache(), []
    views = [replace(cloud.view(pose, rng), number=number) for number, pose in enumerate((np.eye(4), *AHEAD), 1)]
    views = [replace(view, neighbors=lambda own=view.number: [v for v in views if v.number != own]) for view in views]
    found = landmarks.overlap

    def counted(a, b):
        asked.append((a.number, b.number))
        return found(a, b)

    monkeypatch.setattr(landmarks, "overlap", counted)
    measured = [cache.of(view) for view in views]
    assert sorted(asked) == [(1, 2), (1, 3), (2, 3)]
    for view, of_view in zip(views, measured, strict=True):
        # Odometry is exact here, and so are the depths but for the features' noise, whichever way they were found.
        depths = 1 / ((cloud.points - view.t_odom_camera[:3, 3]) @ view.t_odom_camera[:3, :3])[:, 2]
        off = (of_view.inverse_depths - depths)[of_view.known] / np.sqrt(of_view.covariances[of_view.known, 2, 2])
        assert of_view.known.mean() > 0.5
        assert np.quantile(np.abs(off), 0.8) < 2.5


def test_depth_images_serve_without_odometry(street) -> None:
    rng = np.random.default_rng(1)
    cloud = street(rng)
    truth = moved((0.7, 0.0, 1.2), (0.0, 0.1, 0.0))
    inverse = (1 / cloud.points[:, 2]).astype(np.float32)
    inverse[::3] = np.nan
    keyframe = cloud.view(np.eye(4), rng, mounted=False, inverse_depths=inverse)
    located = locate_query(cloud.view(truth, rng), keyframe, pairs_of(cloud), None)
    assert located.pose is not None, located.reason
    assert np.linalg.norm(error(located.pose, truth)[:3]) < 0.1


def test_a_camera_that_only_turned_is_located_where_it_was(street) -> None:
    rng = np.random.default_rng(2)
    cloud = street(rng)
    truth = moved((0, 0, 0), (0.0, 0.2, 0.0))
    located = locate_query(cloud.view(truth, rng), keyframe_of(cloud, rng), pairs_of(cloud), None)
    assert located.pose is not None, located.reason
    assert np.linalg.norm(located.pose[:3, 3]) < 0.1


def test_one_wall_is_enough_for_a_pose_among_landmarks() -> None:
    rng = np.random.default_rng(3)
    points = np.stack([rng.uniform(-6, 6, 120), rng.uniform(-4, 2, 120), np.full(120, 9.0)], axis=1)
    points[:, 2] += 0.3 * points[:, 0]
    cloud = cloud_of(points, rng)
    truth = moved((1.0, 0.0, 1.0), (0.0, -0.05, 0.0))
    located = locate_query(cloud.view(truth, rng), keyframe_of(cloud, rng), pairs_of(cloud), None)
    assert located.pose is not None, located.reason
    assert np.linalg.norm(error(located.pose, truth)[:3]) < 0.25


@pytest.mark.parametrize("query", [moved((18.0, 0.0, 5.0)), moved((0.0, 0.0, 0.0)), moved((2.0, 0.0, 30.0))])
def test_where_all_is_far_away_the_place_is_not_decided(query: np.ndarray) -> None:
    """Two parallel streets see the same hills."""
    rng = np.random.default_rng(4)
    direction = rng.uniform([-0.8, -0.5, 1], [0.8, 0.1, 1], (150, 3))
    cloud = cloud_of(direction * rng.uniform(1500, 4000, (150, 1)), rng)
    located = locate_query(cloud.view(query, rng), keyframe_of(cloud, rng), pairs_of(cloud), None)
    assert located.pose is None
    assert located.elsewhere
    assert "too far away" in located.reason


def test_the_same_things_from_far_away_are_another_place(street) -> None:
    rng = np.random.default_rng(9)
    cloud = street(rng, 400)
    ahead = cloud_of(cloud.points + np.array([0, 0, 25]), rng)
    truth = moved((0.3, 0.0, 18.0))
    located = locate_query(ahead.view(truth, rng), keyframe_of(ahead, rng), pairs_of(ahead), None)
    assert located.pose is None
    assert located.elsewhere
    assert "m away" in located.reason


def test_repeated_texture_gives_no_confident_pose() -> None:
    """Matches that are shifted by one window along the row, half of them, support two poses."""
    rng = np.random.default_rng(5)
    window = np.tile(np.arange(10.0), 12)
    points = np.stack([window * 1.5 - 7, np.repeat(np.arange(12.0) / 3 - 3, 10), np.full(120, 10.0)], axis=1)
    points += rng.normal(0, 0.02, points.shape)
    cloud = cloud_of(points, rng)
    pairs = pairs_of(cloud)
    shifted = (window < 9) & (np.arange(120) // 10 % 2 == 0)
    pairs[shifted, 1] += 1
    located = locate_query(cloud.view(moved((0.4, 0, 0.2)), rng), keyframe_of(cloud, rng), pairs, None)
    assert located.pose is None
    assert located.reason


@pytest.mark.parametrize(
    ("options", "neighbors", "said"),
    [
        ({"mounted": False}, AHEAD, "the camera's pose on the robot is not known"),
        ({}, [], "too few of the features were seen from two keyframes"),
        ({}, [moved((0.0, 0.0, 0.01))], "near enough to tell the position"),
    ],
    ids=["no mounting", "no neighbor", "no baseline"],
)
def test_what_is_missing_is_said(street, options: dict, neighbors: list, said: str) -> None:
    rng = np.random.default_rng(6)
    cloud = street(rng)
    keyframe = keyframe_of(cloud, rng, neighbors, **options)
    located = locate_query(cloud.view(moved((0.5, 0, 0.5)), rng), keyframe, pairs_of(cloud), None)
    assert located.pose is None
    assert said in located.reason
    assert not located.elsewhere


def test_a_camera_mounted_otherwise_than_said_gets_no_metres(street) -> None:
    """Odometry says that it moved ahead, the images that it moved aside."""
    rng = np.random.default_rng(7)
    cloud = street(rng)
    aside = moved((-1.5, 0.0, 0.0))
    neighbor = cloud.view(aside, rng, odometry=moved((0.0, 0.0, -1.5)))
    keyframe = cloud.keyframe(np.eye(4), [neighbor], rng)
    located = locate_query(cloud.view(moved((0.5, 0, 0.5)), rng), keyframe, pairs_of(cloud), None)
    assert located.pose is None
    assert "two keyframes" in located.reason


def test_outliers_do_not_move_the_pose(street) -> None:
    rng = np.random.default_rng(8)
    cloud = street(rng)
    truth = moved((0.5, 0.0, 1.0), (0.0, 0.05, 0.0))
    pairs = pairs_of(cloud)
    pairs[:40, 0] = rng.permutation(pairs[:40, 0])
    located = locate_query(cloud.view(truth, rng), keyframe_of(cloud, rng), pairs, None)
    assert located.pose is not None, located.reason
    assert np.linalg.norm(error(located.pose, truth)[:3]) < 0.15
