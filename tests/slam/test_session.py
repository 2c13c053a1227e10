from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.trajectory import trajectory_error
from a2gc_ros.geometry import pose_from_xyz_rpy
from a2gc_ros.slam.session import SlamConfig, SlamSession, StampedClosure

CAMERA = pose_from_xyz_rpy((0.3, 0.1, 1.2, -np.pi / 2, 0.0, -np.pi / 2))
SURE = np.diag(np.repeat([0.02, 0.005], 3) ** 2)


def run(drive, closures, config: SlamConfig | None = None) -> SlamSession:
    """Plays odometry, and each closure (keyframe, query) when its query comes."""
    session = SlamSession(config)
    for step, pose in enumerate(drive.odometry):
        session.add_odometry(drive.stamp(step), pose)
        for closure in closures:
            if closure.query_stamp_ns == drive.stamp(step):
                session.add_closure(closure, CAMERA)
    return session


def closure(drive, keyframe: int, query: int, *, scale_known: bool) -> StampedClosure:
    motion = drive.camera_motion(keyframe, query)
    length = np.linalg.norm(motion[:3, 3])
    if not scale_known:
        motion[:3, 3] /= length
    return StampedClosure(drive.stamp(query), drive.stamp(keyframe), motion, SURE, scale_known)


def errors(drive, session) -> tuple[float, float]:
    truth = drive.trajectory(drive.truth)
    before, after = drive.trajectory(drive.odometry), session.corrected(drive.stamps)
    return tuple(trajectory_error(estimate, truth).ate_rmse_m for estimate in (before, after))


@pytest.mark.parametrize(("scale_known", "share"), [(True, 0.25), (False, 0.5)])
def test_closures_correct_the_path(two_laps, scale_known, share):
    # One metre apart along the way, so that there is a direction.
    pairs = [(step + 1, step + 80) for step in range(0, 78, 3)]
    session = run(two_laps, [closure(two_laps, *pair, scale_known=scale_known) for pair in pairs])
    before, after = errors(two_laps, session)
    assert session.outcomes["agrees"] == len(pairs)
    assert after < share * before


def test_a_closure_with_a_false_direction_is_told_and_not_followed(two_laps):
    pairs = [(step + 1, step + 80) for step in range(0, 78, 3)]
    true = [closure(two_laps, *pair, scale_known=True) for pair in pairs]
    wrong = StampedClosure(two_laps.stamp(159), two_laps.stamp(40), np.eye(4), SURE, True)
    alone, beside = run(two_laps, true), run(two_laps, [*true, wrong])
    assert beside.outcomes["contradicts"] == 1
    assert errors(two_laps, beside)[1] < errors(two_laps, alone)[1] + 0.1


def test_what_cannot_be_used_is_counted(two_laps):
    session = run(two_laps, [])
    seen = two_laps.stamp(3)
    assert session.add_closure(StampedClosure(two_laps.stamp(90), seen, None), CAMERA) == "no pose"
    assert session.add_closure(StampedClosure(two_laps.stamp(90), seen - 10**12, np.eye(4)), CAMERA) == "outside"
    assert session.add_closure(StampedClosure(seen, seen, np.eye(4), SURE, True), CAMERA) == "outside"
    assert session.outcomes == {"agrees": 0, "contradicts": 0, "no pose": 1, "outside": 2}
    np.testing.assert_allclose(session.t_map_odom(), np.eye(4), atol=1e-9)


def test_images_between_poses_of_the_graph_follow_the_odometry(two_laps):
    session = run(two_laps, [], SlamConfig(distance_m=5.0, angle_rad=1.0))
    assert len(session.graph) < 60
    corrected = session.corrected([*two_laps.stamps, two_laps.stamps[-1] + 10**12])
    assert len(corrected) == len(two_laps.stamps)
    np.testing.assert_allclose(corrected.positions, np.stack(two_laps.odometry)[:, :3, 3], atol=1e-6)
    halfway = session.corrected([two_laps.stamps[3] + 250_000_000]).positions[0]
    np.testing.assert_allclose(halfway, (two_laps.odometry[3] + two_laps.odometry[4])[:3, 3] / 2, atol=1e-6)


def test_fast_odometry_is_thinned_and_says_the_same(two_laps):
    fine, times = SlamSession(), range(0, 20_000, 5)
    dense = two_laps.trajectory(two_laps.odometry)
    for ms in times:
        fine.add_odometry(two_laps.stamp(0) + ms * 10**6, dense.interpolate(two_laps.stamp(0) + ms * 10**6))
    assert len(fine) < 25 * 20 + len(fine.graph) < len(times) / 5
    asked = [two_laps.stamp(0) + ms * 10**6 for ms in range(0, 19_990, 137)]
    expected = np.stack([dense.interpolate(stamp)[:3, 3] for stamp in asked])
    np.testing.assert_allclose(fine.corrected(asked).positions, expected, atol=0.002)


def test_a_robot_that_stands_still_adds_nothing(two_laps):
    session = SlamSession()
    grown = [session.add_odometry(two_laps.stamp(step), np.eye(4)) for step in range(20)]
    assert sum(grown) == 1
    assert not session.add_odometry(two_laps.stamp(0), np.eye(4))


@pytest.mark.parametrize("use", [False, True])
def test_odometry_that_lost_itself_is_believed_less_where_that_is_wanted(two_laps, use):
    session = SlamSession(SlamConfig(use_covariance=use))
    for step, pose in enumerate(two_laps.odometry[:20]):
        session.add_odometry(two_laps.stamp(step), pose, (9.0 if step >= 10 else 0.01) * np.eye(6))
    lost = np.sqrt(np.trace(session.graph.covariance(10)[3:, 3:]))
    assert bool(lost > 3.0) is use


@pytest.mark.parametrize("name", ["distance_m", "angle_rad"])
def test_spacing_must_be_above_zero(name):
    with pytest.raises(ConfigError, match=f"{name} of the pose graph is 0"):
        SlamConfig(**{name: 0.0})
