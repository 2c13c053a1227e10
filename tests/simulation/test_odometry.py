from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from a2gc_simulation.config import DriveConfig, TownConfig, WheelNoise
from a2gc_simulation.drive import Drive
from a2gc_simulation.odometry import measure_odometry
from a2gc_simulation.route import TimedPath, plan_motion, plan_path

from a2gc_ros.geometry import distance, relative, rotation_angle

PERFECT = WheelNoise(0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def one_lap() -> TimedPath:
    path = plan_path(TownConfig(), DriveConfig(laps=1, against=()))
    return plan_motion(path, speed=3.0, corner_speed=1.8, acceleration=0.8)


def end_error(motion: TimedPath, noise: WheelNoise, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The error of the last state in the odometry frame, and its covariance."""
    odometry = measure_odometry(motion, noise, 5.0, seed)
    truth = relative(motion.pose_at(0.0), motion.pose_at(motion.duration))
    yaw = motion.path.heading[-1] - motion.path.heading[0]
    return odometry.states[-1] - [truth[0, 3], truth[1, 3], yaw], odometry.covariances[-1]


def test_perfect_wheels_measure_the_truth(one_lap: TimedPath) -> None:
    odometry = measure_odometry(one_lap, PERFECT, 50.0, 1)
    start = one_lap.pose_at(0.0)
    for time in np.linspace(0, one_lap.duration, 25):
        estimate, truth = start @ odometry.pose_at(time), one_lap.pose_at(time)
        assert distance(estimate, truth) < 0.03
        assert rotation_angle(estimate, truth) < 0.01


def test_it_starts_at_the_origin_and_is_evenly_spaced(drive: Drive) -> None:
    odometry = drive.odometry
    assert np.allclose(odometry.pose_at(0.0), np.eye(4))
    assert np.allclose(np.diff(odometry.times), 1 / drive.config.odometry_rate)
    assert odometry.times[-1] >= drive.motion.duration - 1e-9


def test_a_wheel_that_is_too_large_stretches_the_way(one_lap: TimedPath) -> None:
    noise = replace(PERFECT, speed_scale=0.05)
    odometry = measure_odometry(one_lap, noise, 20.0, 1)
    way = np.linalg.norm(np.diff(odometry.states[:, :2], axis=0), axis=1).sum()
    assert abs(way / one_lap.path.length - 1) == pytest.approx(0.05, abs=0.003)


def test_a_bias_turns_the_heading_steadily(one_lap: TimedPath) -> None:
    error, _ = end_error(one_lap, replace(PERFECT, turn_bias=0.002), 1)
    assert abs(error[2]) == pytest.approx(0.002 * one_lap.duration, rel=0.05)


@pytest.mark.slow
def test_the_error_is_as_large_as_the_covariance_says(one_lap: TimedPath) -> None:
    noise = WheelNoise()
    squares = []
    for seed in range(40):
        error, covariance = end_error(one_lap, noise, seed)
        squares.append(error @ np.linalg.solve(covariance, error))
    # The mean of a chi-square of three degrees of freedom is 3; that of forty strays by 0.4.
    assert 2.0 < np.mean(squares) < 4.2


def test_the_covariance_grows_and_stays_a_covariance(drive: Drive) -> None:
    covariances = drive.odometry.covariances
    assert np.allclose(covariances, np.swapaxes(covariances, 1, 2))
    assert np.all(np.linalg.eigvalsh(covariances) > -1e-12)
    # Scale errors of opposite turns cancel, so only the trend is upwards.
    sizes = np.linalg.det(covariances[[200, 1000, -1]])
    assert np.all(np.diff(sizes) > 0)


def test_the_seed_decides_the_noise(one_lap: TimedPath) -> None:
    a, b, c = (measure_odometry(one_lap, WheelNoise(), 20.0, seed).states for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_the_demo_drive_drifts_by_metres_not_by_streets(drive: Drive) -> None:
    end = drive.motion.duration
    estimate = drive.motion.pose_at(0.0) @ drive.odometry.pose_at(end)
    assert 0.3 < distance(estimate, drive.motion.pose_at(end)) < 0.06 * drive.motion.path.length
