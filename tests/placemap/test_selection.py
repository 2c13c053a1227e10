"""Which frames become keyframes: the rules, and that stored state goes on alike."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros import geometry
from a2gc_ros.errors import ConfigError
from a2gc_ros.placemap import KeyframeSelector, Spacing
from a2gc_ros.placemap.selection import ChangeGate, MotionGate, Odometer, Proposal

SECOND = 10**9
ANY = np.array([1.0, 0.0], dtype=np.float32)

poses = st.builds(geometry.pose_from_xy_yaw, st.floats(-20, 20), st.floats(-20, 20), st.floats(-3.1, 3.1))
tracks = st.lists(st.tuples(st.integers(1, 3 * SECOND), st.one_of(poses, st.none())), max_size=40)


@given(tracks, st.floats(0.1, 5), st.floats(0.1, 3))
def test_with_poses_each_keyframe_moved_or_turned_enough(
    track: list[tuple[int, geometry.Pose | None]], distance_m: float, angle_rad: float
) -> None:
    gate = MotionGate(Spacing(distance_m=distance_m, angle_rad=angle_rad))
    last: geometry.Pose | None = None
    stamp = 0
    for step, pose in track:
        stamp += step
        proposal = gate.propose(stamp, pose)
        if pose is None:
            assert proposal is not Proposal.KEEP
            continue
        assert proposal is not Proposal.COMPARE
        enough = last is None or (
            geometry.distance(last, pose) >= distance_m or geometry.rotation_angle(last, pose) >= angle_rad
        )
        assert (proposal is Proposal.KEEP) == enough
        if enough:
            last = pose


@given(tracks, st.integers(0, 40), st.one_of(st.none(), st.floats(0.5, 3)))
def test_state_goes_through_json_and_goes_on_alike(
    track: list[tuple[int, geometry.Pose | None]], cut: int, time_s: float | None
) -> None:
    spacing = Spacing(time_s=time_s)
    whole, broken = MotionGate(spacing), MotionGate(spacing)
    whole_way, broken_way = Odometer(), Odometer()
    stamp = 0
    for at, (step, pose) in enumerate(track):
        stamp += step
        if at == cut:
            state = json.dumps({"motion": broken.state(), "way": broken_way.state()})
            broken, broken_way = MotionGate(spacing), Odometer()
            broken.restore(json.loads(state)["motion"])
            broken_way.restore(json.loads(state)["way"])
        assert whole.propose(stamp, pose) is broken.propose(stamp, pose)
        assert whole_way.update(pose) == broken_way.update(pose)


def test_odometer_adds_up_the_way_and_ignores_the_noise_of_standing() -> None:
    odometer = Odometer()
    noise = np.random.default_rng(0).normal(0, 0.005, 1000)
    for x in noise:
        assert odometer.update(geometry.pose_from_xy_yaw(x, 0, 0)) == 0.0
    for x in np.arange(0, 10, 0.01):
        path_length = odometer.update(geometry.pose_from_xy_yaw(x, 0, 0))
    assert path_length == pytest.approx(10, abs=0.1)
    assert odometer.update(None) is None


def test_without_poses_too_frequent_frames_are_not_even_compared() -> None:
    gate = MotionGate(Spacing(min_interval_s=0.2))
    proposals = [gate.propose(at * SECOND // 10, None) for at in range(6)]
    assert proposals == [Proposal.COMPARE, Proposal.SKIP] * 3


@pytest.mark.parametrize("jump_s", [-100, 100])
def test_a_clock_that_jumps_does_not_stop_the_map_from_growing(jump_s: int) -> None:
    gate = MotionGate(Spacing(time_s=1.0))
    assert gate.propose(200 * SECOND, None) is Proposal.KEEP
    assert gate.propose((200 + jump_s) * SECOND, None) is Proposal.KEEP


def test_the_descriptor_decides_only_when_asked() -> None:
    gate = ChangeGate(0.9)
    near = np.array([0.99, 0.141], dtype=np.float32)
    far = np.array([0.0, 1.0], dtype=np.float32)
    assert gate.keep(Proposal.COMPARE, ANY)
    assert not gate.keep(Proposal.COMPARE, near)
    assert gate.keep(Proposal.KEEP, near)
    assert not gate.keep(Proposal.SKIP, far)
    assert gate.keep(Proposal.COMPARE, far)
    assert not gate.keep(Proposal.COMPARE, far)


def test_a_standing_robot_selects_one_keyframe() -> None:
    selector = KeyframeSelector(Spacing())
    chosen = [selector.select(at * SECOND // 30, np.eye(4), ANY) for at in range(300)]
    assert chosen == [True] + [False] * 299


@pytest.mark.parametrize(
    "wrong",
    [{"distance_m": -1.0}, {"similarity": 2.0}, {"time_s": 0.0}, {"angle_rad": float("nan")}, {"min_interval_s": -0.1}],
)
def test_spacing_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Spacing(**wrong)
