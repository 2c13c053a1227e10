"""Interpolation between poses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.bags.trajectory import MAX_GAP_NS, Trajectory
from a2gc_ros.geometry import distance, pose_from_quaternion, rotation_angle

SECOND = 10**9
number = st.floats(-100, 100)
quaternion = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)
pose = st.builds(pose_from_quaternion, st.tuples(number, number, number), quaternion)


@given(pose, pose, st.floats(0, 1))
def test_between_two_poses_it_goes_straight_and_turns_evenly(a: np.ndarray, b: np.ndarray, fraction: float) -> None:
    trajectory = Trajectory.from_poses([(0, a), (SECOND, b)])
    stamp = round(fraction * SECOND)
    found = trajectory.interpolate(stamp)
    assert found is not None
    share = stamp / SECOND
    np.testing.assert_allclose(found[:3, 3], (1 - share) * a[:3, 3] + share * b[:3, 3], atol=1e-9)
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-9)
    angle = rotation_angle(a, b)
    assert rotation_angle(a, found) == pytest.approx(share * angle, abs=1e-6)
    assert rotation_angle(found, b) == pytest.approx((1 - share) * angle, abs=1e-6)


def test_stamps_of_today_keep_their_nanoseconds() -> None:
    start = 1_700_000_000_123_456_789
    a, b = np.eye(4), np.eye(4)
    b[0, 3] = 1.0
    trajectory = Trajectory.from_poses([(start, a), (start + 1000, b)])
    found = trajectory.interpolate(start + 1)
    assert found is not None
    assert found[0, 3] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("stamp", "known"),
    [
        (0, False),
        (SECOND - 1, False),
        (SECOND, True),
        (2 * SECOND, True),
        (3 * SECOND, True),
        (4 * SECOND, False),
        (9 * SECOND, True),
        (9 * SECOND + 1, False),
    ],
)
def test_nothing_is_made_up_outside_or_in_a_pause(stamp: int, known: bool) -> None:
    trajectory = Trajectory.from_poses([(s * SECOND, np.eye(4)) for s in (1, 3, 9)])
    assert (3 - 1) * SECOND <= MAX_GAP_NS < (9 - 3) * SECOND
    assert (trajectory.interpolate(stamp) is not None) == known


def test_samples_come_in_any_order_and_the_last_of_equal_stamps_counts() -> None:
    def at(x: float) -> np.ndarray:
        return pose_from_quaternion((x, 0, 0), (0, 0, 0, 1))

    trajectory = Trajectory.from_poses([(30, at(3)), (10, at(7)), (20, at(2)), (10, at(1))])
    assert trajectory.stamps_ns.tolist() == [10, 20, 30]
    assert [distance(trajectory.pose(i), np.eye(4)) for i in range(3)] == [1, 2, 3]


def test_an_empty_trajectory_knows_no_pose() -> None:
    assert Trajectory.from_poses([]).interpolate(0) is None


@pytest.mark.parametrize(
    ("positions", "quaternions"),
    [([[0, 0, np.inf]], [[0, 0, 0, 1]]), ([[0, 0, 0]], [[0, 0, 0, 0]]), ([[0, 0, 0]], [[0, 0, 0, 1]] * 2)],
)
def test_what_is_no_pose_is_refused(positions: list[list[float]], quaternions: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"finite|quaternions"):
        Trajectory.from_samples([0], positions, quaternions)
