"""Wheel odometry that drifts as the real one does, and knows how uncertain it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose, pose_from_xy_yaw, yaw_of
from a2gc_simulation.config import WheelNoise
from a2gc_simulation.route import TimedPath

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Odometry:
    """Dead reckoning from the start of a drive.

    Args:
        times: float64 (n,), seconds from the start, evenly spaced.
        states: float64 (n, 3): x and y in metres and yaw in radians, in the odometry frame.
        covariances: float64 (n, 3, 3) of ``states``.
        twists: float64 (n, 2): measured speed in m/s and yaw rate in rad/s.
        twist_covariance: float64 (2, 2) of ``twists``.
    """

    times: Array
    states: Array
    covariances: Array
    twists: Array
    twist_covariance: Array

    def pose(self, sample: int) -> Pose:
        """Returns ``t_odom_base`` of one sample."""
        x, y, yaw = self.states[sample].tolist()
        return pose_from_xy_yaw(x, y, yaw)

    def pose_at(self, time: float) -> Pose:
        """Returns ``t_odom_base`` at a time, interpolated between neighboring samples."""
        x, y, yaw = (float(np.interp(time, self.times, self.states[:, k])) for k in range(3))
        return pose_from_xy_yaw(x, y, yaw)


def measure_odometry(motion: TimedPath, noise: WheelNoise, rate: float, seed: int) -> Odometry:
    """Measures a motion with imperfect wheels.

    Speed and yaw rate get the errors of ``noise``; the pose is their sum along arcs of constant turn. The covariance
    follows the first-order recursion P ← F P Fᵀ + G Q Gᵀ over the state (x, y, yaw, speed scale, turn scale, turn
    bias): the last three are constants that nobody knows, so their share of the error grows with the way, not with
    its root. ``rate`` is samples per second.
    """
    rng = np.random.default_rng([seed, 31])
    step = 1.0 / rate
    times = np.arange(0.0, motion.duration + step, step)
    systematic = np.array([noise.speed_scale, noise.turn_scale, noise.turn_bias])
    speed_scale, turn_scale, bias = systematic * rng.choice([-1.0, 1.0], 3)
    sigma = np.array([noise.speed_density, noise.turn_density]) * np.sqrt(rate)
    driven = [motion.path_length_at(t) for t in times]
    turned = np.unwrap([yaw_of(motion.pose_at(t)) for t in times])
    truth = np.column_stack([np.diff(driven), np.diff(turned)]) / step
    measured = truth * [1 + speed_scale, 1 + turn_scale] + [0.0, bias] + sigma * rng.standard_normal(truth.shape)

    states = [np.zeros(3)]
    P = np.diag([0.0, 0.0, 0.0, *systematic**2])
    covariances = [P[:3, :3]]
    for speed, turn in measured:
        x, y, yaw = states[-1]
        middle = yaw + turn * step / 2
        chord = speed * step * np.sinc(turn * step / 2 / np.pi)
        states.append(np.array([x + chord * np.cos(middle), y + chord * np.sin(middle), yaw + turn * step]))
        G = step * np.array([[np.cos(middle), 0.0], [np.sin(middle), 0.0], [0.0, 1.0]])
        F = np.eye(6)
        F[:2, 2] = -chord * np.sin(middle), chord * np.cos(middle)
        F[:3, 3:] = G @ [[speed, 0.0, 0.0], [0.0, turn, 1.0]]
        P = F @ P @ F.T
        P[:3, :3] += G @ np.diag(sigma**2) @ G.T
        covariances.append(P[:3, :3])
    twists = np.concatenate([measured[:1], measured])
    return Odometry(times, np.array(states), np.array(covariances), twists, np.diag(sigma**2))
