"""Closures that agree by odometry pass, lone ones wait."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_ros.loops.pairwise_consistency import PairwiseConsistency, PlacedClosure
from a2gc_ros.loops.results import LoopClosure, Match, Verification

CAMERA = np.array([[0.0, 0, 1, 0.2], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def closure(
    step: int,
    query: Pose,
    keyframe: Pose,
    true: Pose | None = None,
    *,
    metric: bool = False,
    rotation_rad: float = 0.0,
    posed: bool = True,
) -> PlacedClosure:
    """A closure between two places; `true` is where the query really is, in the odometry of the keyframe."""
    relative = geometry.relative(keyframe @ CAMERA, (query if true is None else true) @ CAMERA)
    relative = relative @ (np.linalg.inv(CAMERA) @ pose_from_xy_yaw(0, 0, rotation_rad) @ CAMERA)
    if not metric:
        relative[:3, 3] /= max(float(np.linalg.norm(relative[:3, 3])), 1e-9)
    verification = Verification(True, 80, 90, relative if posed else None, 1e-6 * np.eye(6), scale_known=metric)
    match = Match(step, 0, step + 1, 1, step, 0.8)
    return PlacedClosure(
        LoopClosure(match, verification, 0.999), step, query, 500.0 + step, keyframe, float(step), CAMERA, CAMERA
    )


def line(step: int, lateral: float = 0.0) -> Pose:
    return pose_from_xy_yaw(float(step), lateral, 0.0)


@pytest.mark.parametrize("metric", [True, False])
def test_true_closures_are_given_out_once_three_agree(metric: bool) -> None:
    agreement = PairwiseConsistency(3, 20, 0.1)
    counts = [
        len(agreement.release(step, step, [closure(step, line(step, 1.0), line(step), metric=metric)]))
        for step in range(5)
    ]
    assert counts == [0, 0, 3, 1, 1]


def test_a_lone_false_closure_among_true_ones_is_never_given_out() -> None:
    agreement = PairwiseConsistency(3, 20, 0.1)
    given_out = []
    for step in range(10):
        keyframe = line(step + 25) if step == 5 else line(step)
        relative_to = line(step + 25, 1.0) if step == 5 else None
        given_out += agreement.release(
            step, step, [closure(step, line(step, 1.0), keyframe, relative_to, rotation_rad=0.3 if step == 5 else 0.0)]
        )
    assert sorted(c.match.query_stamp_ns for c in given_out) == [0, 1, 2, 3, 4, 6, 7, 8, 9]


@pytest.mark.parametrize(("hold", "given_out"), [(20, [8, 4, 0]), (5, [8, 4]), (0, [8])])
def test_a_closure_waits_no_longer_than_it_may_but_supports_later_ones(hold: int, given_out: list[int]) -> None:
    agreement = PairwiseConsistency(3, hold, 0.1)
    out = [c for s in (0, 4, 8) for c in agreement.release(s, s * 10**9, [closure(s, line(s, 1.0), line(s))])]
    assert [c.match.query_stamp_ns for c in out] == given_out
    assert out[0].held_s == pytest.approx(8, abs=1e-6)


def test_where_one_is_enough_nothing_is_held_back() -> None:
    placed = closure(0, line(0), line(0))
    assert PairwiseConsistency(1, 20, 0.1).release(0, 0, [placed]) == [placed.closure]


@pytest.mark.parametrize(
    ("keyframes", "given_out"),
    [
        ((10, 11, 12, 13), [0, 0, 3, 1]),
        ((13, 12, 11, 10), [0, 0, 3, 1]),
        ((10, 50, 11, 12), [0, 0, 0, 3]),
        ((10, 50, 30, 70), [0, 0, 0, 0]),
    ],
    ids=["the same way", "the other way", "one that is out of order", "no order"],
)
def test_without_odometry_closures_agree_by_their_order(keyframes: tuple[int, ...], given_out: list[int]) -> None:
    agreement = PairwiseConsistency(3, 20, 0.1)
    counts = []
    for step, keyframe in enumerate(keyframes):
        bare = LoopClosure(Match(step, 0, keyframe, 1, keyframe, 0.8), None, 0.999)
        counts.append(
            len(agreement.release(step, step, [PlacedClosure(bare, step, None, None, None, None, None, None)]))
        )
    assert counts == given_out


@pytest.mark.parametrize(
    ("off", "metric", "turned", "agree"),
    [
        (0.0, True, 0.0, True),
        (1.0, True, 0.0, True),
        (8.0, True, 0.0, False),
        (8.0, False, 0.0, False),
        (40.0, False, 0.0, False),
        (0.0, True, 0.3, False),
        (0.0, False, 0.3, False),
    ],
)
def test_what_agrees(off: float, metric: bool, turned: float, agree: bool) -> None:
    """The second closure names a keyframe that lies farther along than the query can be, or turns the robot."""
    a = closure(0, line(0, 1.0), line(0), metric=metric)
    named = line(5) @ pose_from_xy_yaw(off, 0, 0)
    b = closure(5, line(5, 1.0), named, named @ pose_from_xy_yaw(0, 1, 0), metric=metric, rotation_rad=turned)
    assert PairwiseConsistency(2, 20, 0.1).agree(a, b) is agree


@pytest.mark.parametrize(("way", "turning", "agree"), [(200, 0.03, True), (200, 0.0, False), (5, 0.03, False)])
def test_headings_may_have_drifted_more_over_longer_ways(way: int, turning: float, agree: bool) -> None:
    a = closure(0, line(0, 1.0), line(0), metric=True)
    drifted = line(way, 1.0) @ pose_from_xy_yaw(0, 0, 0.3)
    b = closure(way, drifted, line(way), line(way, 1.0), metric=True)
    assert PairwiseConsistency(2, 20, 0.1, turning).agree(a, b) is agree


@pytest.mark.parametrize(("apart", "agree"), [(10.0, True), (40.0, False)])
def test_unknown_scale_leaves_room_along_the_direction_up_to_a_shared_view(apart: float, agree: bool) -> None:
    a = closure(0, line(0, 1.0), line(0))
    b = closure(5, line(5, 1.0), line(5) @ pose_from_xy_yaw(-apart, 1.0, 0), line(5, 1.0))
    assert PairwiseConsistency(2, 20, 0.0).agree(a, b) is agree
