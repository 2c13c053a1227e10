"""The motion of the camera between two neighboring keyframes: odometry's, made exact by what both saw.

Images know rotation and direction far better than wheels do, wheels the distance. So the motion of odometry is refined
to the least Sampson error with odometry as the prior: five of its six degrees of freedom follow the images, the length
stays odometry's, and so does its uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose, skew
from a2gc_ros.loops.verification.clusters import shared_errors
from a2gc_ros.loops.verification.least_squares import moved
from a2gc_ros.loops.verification.sampson import Array, Matches, homogeneous

LENGTH_STD: Final = 0.02
"""Error of odometry over a few metres, as a share of the way and per axis: wheels that slip or are measured badly."""

FIXED_STD: Final = 0.01
"""Error of odometry whatever the way, metres: interpolation between samples, and the camera's pose on the robot."""

TURN_STD: Final = 0.01
"""Error of odometry's rotation, radians: odometry in the plane knows neither pitch nor roll."""

TURN_SHARE: Final = 0.03
"""The same as a share of the angle turned."""

ITERATIONS: Final = 12
PASSES: Final = 3
"""With the noise as expected, and again as it turned out."""

SETTLED: Final = 0.05
"""Share by which the noise may still change in the last pass."""

NOISE_FACTORS: Final = (0.3, 3.0)
"""Bounds of how far the noise may be from what was expected."""

NORMAL_80: Final = 1.2816
"""Absolute values of a standard normal variable below this make 80 %. Features err with heavier tails than a normal
variable: scaled by the middle of their errors the covariance would be too small by half."""

GROSS: Final = 6.0
"""Errors beyond so many expected standard deviations tell nothing about the noise."""

INLIER: Final = 3.0
"""Sampson errors beyond so many standard deviations are outliers."""

MAX_SURPRISE: Final = 4.0
"""Where images move the motion by more standard deviations of odometry than this, one of them is not to be trusted."""


@dataclass(frozen=True)
class NeighborMotion:
    """A refined motion.

    Attributes:
        pose: ``t_b_a``, metres.
        covariance: (6, 6), translation before rotation, in the axes of ``b``.
        inliers: bool (N,), the matches that agree.
        noise_factor: What the noise turned out to be, as a multiple of what was expected.
    """

    pose: Pose
    covariance: Array
    inliers: npt.NDArray[np.bool_]
    noise_factor: float

    def reversed(self) -> NeighborMotion:
        """Returns the motion from ``b`` to ``a``."""
        pose, covariance = reversed_motion(self.pose, self.covariance)
        return replace(self, pose=pose, covariance=covariance)


def reversed_motion(pose: Pose, covariance: Array) -> tuple[Pose, Array]:
    """Returns ``t_a_b`` with its covariance in the axes of ``a``, for ``t_b_a`` with its own in the axes of ``b``.

    Covariances are (6, 6), translation before rotation.
    """
    back = geometry.inverse(pose)
    turn = back[:3, :3]
    # A small motion in the axes of b, seen from a: t' = -R' t, and a turn moves the end of a lever.
    change = -np.block([[turn, turn @ skew(pose[:3, 3])], [np.zeros((3, 3)), turn]])
    return back, change @ covariance @ change.T


def refine_motion(a: Array, b: Array, expected: Pose, noise: Array) -> NeighborMotion | None:
    """Refines the motion between two keyframes.

    Args:
        a: Directions (x/z, y/z) in one keyframe, float64 (N, 2).
        b: Their matches in the other.
        expected: ``t_b_a`` by odometry.
        noise: Standard deviations of the matches' Sampson errors as expected, (N,); the matches tell by which factor
            they are wrong.

    Returns:
        The motion, or None where the images contradict odometry, as they do when the camera sits on the robot in
        another way than was said.
    """
    matches = Matches(homogeneous(a), homogeneous(b))
    deviation = prior_std(expected)
    pose, offset, factor = expected.copy(), np.zeros(6), 1.0
    for _ in range(PASSES):
        pose, offset, normal = _minimized(pose, offset, deviation, matches, factor * noise)
        if np.abs(offset / deviation).max() > MAX_SURPRISE:
            return None
        errors = np.abs(matches.errors(skew(pose[:3, 3]) @ pose[:3, :3])) / noise
        before, factor = factor, float(np.clip(np.quantile(errors[errors <= GROSS], 0.8) / NORMAL_80, *NOISE_FACTORS))
        if abs(factor - before) <= SETTLED * before:
            break
    inverse: Array = np.linalg.inv(normal).astype(np.float64)
    residuals, jacobian = matches.linearized(pose[:3, :3], pose[:3, 3])
    pulls = (_weights(residuals, factor * noise) * residuals)[:, None] * jacobian
    covariance = inverse + shared_errors(a, pulls, inverse)
    return NeighborMotion(pose, covariance, errors <= INLIER * factor, factor)


def _weights(residuals: Array, noise: Array) -> Array:
    """Returns Cauchy weights over the variances."""
    return np.asarray(1 / (noise**2 * (1 + (residuals / (2 * noise)) ** 2)))


def _minimized(
    pose: Pose, offset: Array, deviation: Array, matches: Matches, noise: Array
) -> tuple[Pose, Array, Array]:
    """Goes on from a pose and its offset from odometry; returns both and the normal matrix at the minimum."""
    normal = np.diag(1 / deviation**2)
    for _ in range(ITERATIONS):
        residuals, jacobian = matches.linearized(pose[:3, :3], pose[:3, 3])
        weights = _weights(residuals, noise)
        normal = jacobian.T @ (weights[:, None] * jacobian) + np.diag(1 / deviation**2)
        gradient = jacobian.T @ (weights * residuals) + offset / deviation**2
        step = -np.linalg.solve(normal, gradient)
        offset = offset + step
        pose = moved(pose, step)
        if np.abs(step / deviation).max() < 3e-3:
            break
    return pose, offset, normal


def prior_std(motion: Pose) -> Array:
    """Returns how far odometry may be off, (6,): metres, then radians."""
    way = float(np.linalg.norm(motion[:3, 3]))
    angle = geometry.rotation_angle(np.eye(4), motion)
    return np.repeat([FIXED_STD + LENGTH_STD * way, TURN_STD + TURN_SHARE * angle], 3)
