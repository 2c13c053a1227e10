"""A loop that odometry rules out is no loop, however alike the pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.loops.drift import VIEW_M, ruled_out
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.columns import KeyframeColumns
from a2gc_ros.placemap.records import Manifest

HERE = pose_from_xy_yaw(0, 0, 0)


def drive(*keyframes: tuple[Pose | None, float | None]) -> KeyframeColumns:
    """Keyframes of session 1, from id 1, and as many of another session."""
    columns = KeyframeColumns()
    stored = [(way, None if pose is None else pose.tobytes()) for pose, way in keyframes]
    columns.append([(1 + at, 1, at, *one) for at, one in enumerate(stored)])
    columns.append([(1001 + at, 2, at, *one) for at, one in enumerate(stored)])
    return columns


@pytest.mark.parametrize(
    ("away_m", "way_m", "max_drift", "expected"),
    [
        (VIEW_M, 0.0, 0.1, False),
        (VIEW_M + 1, 0.0, 0.1, True),
        (VIEW_M + 9, 100.0, 0.1, False),
        (VIEW_M + 11, 100.0, 0.1, True),
        (100.0, 100.0, 1.0, False),
    ],
)
def test_what_drift_allows(away_m: float, way_m: float, max_drift: float, expected: bool) -> None:
    there = pose_from_xy_yaw(0, away_m, 1.0)
    assert ruled_out(drive((HERE, 3.0)), 1, there, 3.0 + way_m, max_drift).tolist() == [1] * expected


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_full_share_excludes_nothing_that_can_be_driven(away_m: float, detour_m: float) -> None:
    there = pose_from_xy_yaw(away_m, 0, 0)
    assert len(ruled_out(drive((HERE, 0.0)), 1, there, away_m + detour_m, 1.0)) == 0


def test_what_is_not_known_excludes_nothing() -> None:
    columns = drive((None, None), (HERE, None), (HERE, 0.0))
    far = pose_from_xy_yaw(1e4, 0, 0)
    assert ruled_out(columns, 1, None, 1e4, 0.0).tolist() == []
    assert ruled_out(columns, 1, far, None, 0.0).tolist() == []
    assert ruled_out(columns, 1, far, 1e4, 0.0).tolist() == [3]


def test_many_keyframes_are_told_of_in_order() -> None:
    columns = drive(*((pose_from_xy_yaw(number, 0, 0), float(number)) for number in range(1000)))
    assert ruled_out(columns, 1, pose_from_xy_yaw(999, 0, 0), 999.0, 0.0).tolist() == list(range(1, 1001 - 16))


@pytest.mark.parametrize(("max_drift", "found"), [(0.1, False), (1.0, True)])
def test_two_places_that_look_the_same_are_told_apart_by_odometry(max_drift: float, found: bool) -> None:
    """A straight road on which the scene repeats every 100 m."""
    # Without geometry, and with so little seen, nobody can be surer.
    config = LoopConfig(
        min_time_gap_s=5,
        min_travel_m=50,
        verify=False,
        min_agreeing=1,
        store_images=False,
        max_drift=max_drift,
        max_false_positive_rate=0.05,
    )
    detector = LoopDetector(config, PlaceMap.create(":memory:", Manifest("f", 100)))
    matches = []
    for step in range(40):
        descriptor = np.zeros(100, np.float32)
        descriptor[step % 20] = 1
        pose = pose_from_xy_yaw(5.0 * step, 0, 0)
        matches += detector.process(Frame(step * 10**9, np.zeros((4, 4, 3), np.uint8), pose=pose), descriptor).closures
    assert bool(matches) == found
