"""How uncertain odometry and closures are, as the pose graph counts it.

The graph perturbs a pose on the right, rotation before translation, in the axes of the moving frame:
``t * exp([omega, v])``. Messages and verifications have translation before rotation, in the axes of the fixed frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import Pose

Matrix = npt.NDArray[np.float64]

UNMEASURED = 1e3
"""Variances from here on, in m² or rad², are how drivers say that they do not measure an axis."""

_FLAT = 1e-9


@dataclass(frozen=True)
class OdometryNoise:
    """The least noise of odometry; errors grow as the root of the way.

    The defaults are those of wheels: after 100 m half a metre and 6 degrees. What messages say comes on top.

    Attributes:
        translation: Standard deviation along each axis, m per root m.
        rotation: Standard deviation about each axis, rad per root m.
        out_of_plane: Share of these that height, roll and pitch get while the odometry moves in its plane only.
    """

    translation: float = 0.05
    rotation: float = 0.01
    out_of_plane: float = 0.02

    def __post_init__(self) -> None:
        require_positive(type(self).__name__, **vars(self))

    def covariance(self, motion: Pose, growth: Matrix | None = None) -> Matrix:
        """Returns the covariance of one step of odometry, (6, 6), in the graph's tangent.

        Args:
            motion: ``t_before_after``.
            growth: What the messages say, from :func:`growth_of`; None where they say nothing.
        """
        # Standing still is not known exactly either; it keeps the matrix regular.
        root = np.sqrt(max(float(np.linalg.norm(motion[:3, 3])), 0.05))
        sigmas = root * np.repeat([self.rotation, self.translation], 3)
        if abs(motion[2, 3]) < _FLAT and abs(motion[2, 2] - 1) < _FLAT:
            sigmas[[0, 1, 5]] *= self.out_of_plane
        least = np.diag(sigmas**2)
        # Added, not the larger of the two: what messages say may well leave a direction in which nothing grew.
        return least if growth is None else growth + least


@dataclass(frozen=True)
class ClosureNoise:
    """The least noise of a closure: its covariance knows how well features fit, not how well the camera is known.

    Attributes:
        translation: Standard deviation along each axis, metres.
        rotation: Standard deviation about each axis, radians.
        direction: Of the direction of a translation of unknown length, radians.
        baseline: How far two cameras that see the same place stand apart, metres, as a standard deviation about zero;
            it stands in for the length of a translation that is not known.
    """

    translation: float = 0.1
    rotation: float = 0.01
    direction: float = 0.05
    baseline: float = 2.0

    def __post_init__(self) -> None:
        require_positive(type(self).__name__, **vars(self))

    def covariance(self, relative_pose: Pose, covariance: Matrix | None, *, scale_known: bool) -> tuple[Pose, Matrix]:
        """Returns a closure as a measurement of a full pose.

        A translation u of unknown length s is a Gaussian with the moments of s·u: with s about zero with variance
        ``baseline``² and u with covariance C, mean 0 and covariance ``baseline``² (u uᵀ + C). Across the direction it
        is as certain as the direction, along it says only that the two cameras are near each other. Unlike an epipolar
        constraint it has no singularity where both stand at one point.

        Args:
            relative_pose: ``t_keyframeCamera_queryCamera``, its translation of unit length unless the scale is known.
            covariance: (6, 6), translation before rotation, in the axes of the keyframe's camera, or None.
            scale_known: Whether the translation is in metres.

        Returns:
            The measured pose, and its covariance (6, 6) in the graph's tangent.
        """
        measured = relative_pose.copy()
        full = np.zeros((6, 6)) if covariance is None else np.array(covariance, dtype=np.float64)
        if not scale_known:
            u = relative_pose[:3, 3] / np.linalg.norm(relative_pose[:3, 3])
            across = full[:3, :3] + self.direction**2 * (np.eye(3) - np.outer(u, u))
            full[:3, :3] = self.baseline**2 * (np.outer(u, u) + across)
            full[:3, 3:] = full[3:, :3] = 0.0
            measured[:3, 3] = 0.0
        full += np.diag(np.repeat([self.translation, self.rotation], 3) ** 2)
        return measured, in_tangent(full, measured)


def in_tangent(covariance: Matrix, pose: Pose) -> Matrix:
    """Turns a covariance of translation and rotation in the fixed axes into the graph's tangent at a pose."""
    turn = np.zeros((6, 6))
    turn[:3, 3:] = turn[3:, :3] = pose[:3, :3].T
    return turn @ covariance @ turn.T


def adjoint(pose: Pose) -> Matrix:
    """Returns the matrix that moves a tangent vector through a pose: ``pose exp(x) = exp(adjoint(pose) x) pose``."""
    out = np.zeros((6, 6))
    out[:3, :3] = out[3:, 3:] = pose[:3, :3]
    out[3:, :3] = geometry.skew(pose[:3, 3]) @ pose[:3, :3]
    return out


def at_bases(measured: Pose, covariance: Matrix, t_base_before: Pose, t_base_after: Pose) -> tuple[Pose, Matrix]:
    """Turns a measurement between two frames that are fixed to two bases into one between the bases.

    Args:
        measured: ``t_before_after``.
        covariance: Of it, (6, 6) in the graph's tangent.
        t_base_before: The one frame in its base.
        t_base_after: The other one in its own.
    """
    carry = adjoint(t_base_after)
    return t_base_before @ measured @ geometry.inverse(t_base_after), carry @ covariance @ carry.T


def growth_of(before: tuple[Pose, Matrix], after: tuple[Pose, Matrix]) -> Matrix:
    """Returns by how much odometry became less certain over a step, (6, 6), in the graph's tangent.

    The covariance of the earlier pose is carried along the motion and taken from that of the later one. Axes that are
    not measured, and directions in which the odometry claims to have become more certain, give zero; so do drivers
    that always send the same covariance.

    Args:
        before: ``t_odom_base`` and its covariance as in nav_msgs/Odometry: (6, 6), x, y, z, rotation about X, Y, Z.
        after: The same at the end of the step.
    """
    start, end = (in_tangent(_measured(covariance), pose) for pose, covariance in (before, after))
    carry = adjoint(geometry.relative(after[0], before[0]))
    difference = end - carry @ start @ carry.T
    values, vectors = np.linalg.eigh((difference + difference.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T, dtype=np.float64)


def _measured(covariance: Matrix) -> Matrix:
    known = np.isfinite(np.diag(covariance)) & (np.diag(covariance) < UNMEASURED)
    return np.asarray(np.where(np.outer(known, known) & np.isfinite(covariance), covariance, 0.0), dtype=np.float64)


def require_positive(owner: str, **values: float) -> None:
    """Refuses settings that are not finite and above zero.

    Raises:
        ConfigError: Names the setting and whose it is.
    """
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} of {owner} is {value}; it must be above zero")
