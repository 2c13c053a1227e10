from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from a2gc_simulation.config import AGAINST, LAP, DriveConfig, TownConfig
from a2gc_simulation.drive import Drive
from a2gc_simulation.route import STEP, check_route, lane_path, plan_motion, plan_path, smoothed
from a2gc_simulation.town import Town
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import distance, rotation_angle


def test_a_straight_street_is_driven_beside_its_middle() -> None:
    points = lane_path(TownConfig(), [(0, 0), (20, 0)], 1.5)
    assert np.allclose(points[:, 1], -1.5)
    assert np.allclose(np.diff(points[:, 0]), STEP, atol=STEP / 100)


@pytest.mark.parametrize(("turn", "radius"), [(1, 5.0 + 1.2), (-1, 5.0 - 1.2)])
def test_a_corner_is_an_arc(turn: int, radius: float) -> None:
    points = lane_path(TownConfig(), [(0, 0), (30, 0), (30, 30 * turn)], 1.5)
    assert points[-1] == pytest.approx((30 + 1.5 * turn, 30 * turn))
    tangent = np.gradient(points, axis=0)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    curvature = np.gradient(heading) / STEP
    middle = len(curvature) // 2
    assert curvature[middle] * turn == pytest.approx(1 / radius, rel=0.02)


def test_smoothing_leaves_straights_and_ends_alone() -> None:
    line = np.linspace((0, 0), (10, 5), 224)
    assert np.allclose(smoothed(line, 0.9), line, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), laps=st.integers(1, 3), wander=st.floats(0, 1))
def test_the_robot_keeps_to_its_lane(seed: int, laps: int, wander: float) -> None:
    config = TownConfig()
    path = plan_path(config, DriveConfig(seed=seed, laps=laps, wander=wander))
    # Between the crossings, on the right of the middle line and clear of the parked cars.
    offset = np.abs((path.points + config.spacing / 2) % config.spacing - config.spacing / 2)
    on_street = offset.max(axis=1) > config.half_street
    across = offset[on_street].min(axis=1)
    assert across.min() > 0.2
    assert across.max() < config.carriageway / 2 - 2.0
    assert np.abs(path.curvature).max() < 1 / 2.5
    assert set(path.leg) == set(range(laps + 1))


def test_laps_pass_the_same_places_side_by_side(drive: Drive) -> None:
    path = drive.motion.path
    first, second = (path.points[path.leg == k] for k in (0, 1))
    nearest = np.array([np.linalg.norm(first - point, axis=1).min() for point in second[::40]])
    assert nearest.max() < 1.2
    assert np.median(nearest) > 0.2


def test_the_last_leg_drives_a_street_of_the_lap_against_it(drive: Drive) -> None:
    path = drive.motion.path
    lap, last = path.leg == 0, path.leg == 2
    opposed = 0.0
    for k in np.flatnonzero(last)[::20]:
        near = np.linalg.norm(path.points[lap] - path.points[k], axis=1)
        at = int(near.argmin())
        turned = np.cos(path.heading[lap][at] - path.heading[k])
        opposed += 20 * STEP * (near[at] < 5 and turned < -0.9)
    assert opposed > 1.5 * TownConfig().spacing


def test_speed_and_acceleration_stay_within_their_bounds(drive: Drive) -> None:
    motion, config = drive.motion, drive.config
    assert np.all(np.diff(motion.times) > 0)
    assert motion.speed.max() <= config.speed + 1e-9
    acceleration = np.diff(motion.speed) / np.diff(motion.times)
    assert np.abs(acceleration).max() <= config.acceleration + 1e-6
    in_corners = np.abs(motion.path.curvature) > 1 / 6
    assert motion.speed[in_corners].max() < 2.2


@settings(max_examples=20, deadline=None)
@given(speed=st.floats(0.5, 10), corner=st.floats(0.5, 5), acceleration=st.floats(0.1, 5))
def test_every_motion_covers_the_whole_path(speed: float, corner: float, acceleration: float) -> None:
    path = plan_path(TownConfig(), DriveConfig(laps=1, against=()))
    motion = plan_motion(path, speed=speed, corner_speed=corner, acceleration=acceleration)
    assert motion.path_length_at(motion.duration) == pytest.approx(path.length)
    assert motion.duration >= path.length / speed - 1e-6


def test_the_pose_moves_at_the_planned_speed(drive: Drive) -> None:
    step = 0.02
    for time in np.linspace(1, drive.motion.duration - 1, 60):
        before, after = drive.motion.pose_at(time - step / 2), drive.motion.pose_at(time + step / 2)
        speed = np.interp(time, drive.motion.times, drive.motion.speed)
        curvature = np.interp(time, drive.motion.times, drive.motion.path.curvature)
        assert distance(before, after) / step == pytest.approx(speed, abs=0.05)
        assert rotation_angle(before, after) / step == pytest.approx(speed * abs(curvature), abs=0.05)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lap": ((0, 0), (1, 0), (1, 1), (2, 2))}, "not neighbors"),
        ({"lap": ((0, 0), (1, 0), (2, 0), (1, 0), (1, 1), (0, 1))}, "turns back at crossing"),
        ({"lap": ((0, 0), (4, 0), (4, 1), (0, 1))}, "no crossing"),
        ({"against": ((2, 0), (2, 1))}, "must start at"),
        ({"against": ((1, 0), (0, 0))}, "turns back"),
    ],
)
def test_impossible_routes_are_refused(change: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_path(TownConfig(), replace(DriveConfig(), **change))


def test_the_default_routes_fit_the_default_town(town: Town) -> None:
    check_route(TownConfig(), LAP, closed=True)
    check_route(TownConfig(), AGAINST, closed=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"laps": 0}, "laps is 0"),
        ({"rate": 0.0}, "rate is 0"),
        ({"width": 8}, "pixels"),
        ({"field_of_view": 180.0}, "degrees"),
        ({"lap": ((0, 0), (1, 0))}, "no round"),
    ],
)
def test_impossible_drives_are_refused(change: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DriveConfig(**change)
