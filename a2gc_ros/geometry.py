"""Rigid transforms as 4x4 matrices.

A pose named ``t_a_b`` is the pose of frame ``b`` expressed in frame ``a``: ``p_a = t_a_b @ p_b``.
Lengths are metres, angles radians, quaternions are ordered (x, y, z, w) as in geometry_msgs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pose: TypeAlias = npt.NDArray[np.float64]
"""A rigid transform, float64 of shape (4, 4)."""


MAX_COORDINATE_M = 1e9
"""No robot is farther from the origin of its frame, be that the center of the earth; such a number is a fault."""

QUATERNION_LENGTHS = (1e-9, 1e9)
"""Least and greatest length of a quaternion that is taken for a rotation."""


def check_pose_values(translation: Iterable[float], quaternion: Iterable[float]) -> None:
    """Refuses numbers that are no pose.

    Args:
        translation: Any number of coordinates, metres.
        quaternion: (x, y, z, w) of any sensible length.

    Raises:
        ValueError: If anything is not finite or beyond all measure, or the quaternion has no length.
    """
    # Written so that NaN is refused too, and without NumPy, which is slow on a few numbers.
    if not all(abs(value) <= MAX_COORDINATE_M for value in translation):
        raise ValueError(f"not a pose: a position that is not finite, or more than {MAX_COORDINATE_M:g} m away")
    least, greatest = QUATERNION_LENGTHS
    if not least < math.hypot(*quaternion) <= greatest:
        raise ValueError("not a pose: a quaternion that is not finite, or of no length that a rotation's could have")


def pose_from_quaternion(translation: npt.ArrayLike, quaternion: npt.ArrayLike) -> Pose:
    """Builds a pose from (x, y, z) in metres and a quaternion (x, y, z, w), which is normalized here.

    Raises:
        ValueError: If the quaternion has no length, or anything is not finite or beyond all measure.
    """
    t = np.asarray(translation, dtype=np.float64)
    q = np.asarray(quaternion, dtype=np.float64)
    check_pose_values(t.tolist(), q.tolist())
    x, y, z, w = q / np.linalg.norm(q)
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = t
    return pose


def quaternion_of(pose: Pose) -> npt.NDArray[np.float64]:
    """Returns the rotation of a pose as a unit quaternion (x, y, z, w) with w >= 0.

    Shepperd's method: the largest of the four components is computed first, so nothing cancels.
    """
    r = pose[:3, :3]
    trace = float(np.trace(r))
    squares = np.array([1 + 2 * r[i, i] - trace for i in range(3)] + [1 + trace])
    k = int(np.argmax(squares))
    if k == 3:
        q = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], squares[3]])
    else:
        i, j, m = k, (k + 1) % 3, (k + 2) % 3
        q = np.empty(4)
        q[i] = squares[k]
        q[j] = r[j, i] + r[i, j]
        q[m] = r[m, i] + r[i, m]
        q[3] = r[m, j] - r[j, m]
    q /= np.linalg.norm(q)
    return q if q[3] >= 0 else -q


def pose_from_xy_yaw(x: float, y: float, yaw: float) -> Pose:
    """Builds a planar pose: metres and radians, rotation about +z."""
    return pose_from_quaternion((x, y, 0.0), (0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)))


def pose_from_xyz_rpy(values: Sequence[float]) -> Pose:
    """Builds a pose from x, y, z in metres and roll, pitch, yaw in radians: R = Rz(yaw) Ry(pitch) Rx(roll)."""
    x, y, z, roll, pitch, yaw = values
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
    pose = np.eye(4)
    pose[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    pose[:3, 3] = (x, y, z)
    return pose


def yaw_of(pose: Pose) -> float:
    """Returns the rotation about +z in radians, in (-pi, pi]."""
    return float(np.arctan2(pose[1, 0], pose[0, 0]))


def inverse(pose: Pose) -> Pose:
    """Returns ``t_b_a`` for ``t_a_b``."""
    r = pose[:3, :3]
    out = np.eye(4)
    out[:3, :3] = r.T
    out[:3, 3] = -r.T @ pose[:3, 3]
    return out


def relative(t_w_a: Pose, t_w_b: Pose) -> Pose:
    """Returns ``t_a_b`` for two poses in the same frame."""
    return inverse(t_w_a) @ t_w_b


def skew(v: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the matrix of the cross product: ``skew(v) @ w == np.cross(v, w)``."""
    x, y, z = v
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def distance(a: Pose, b: Pose) -> float:
    """Returns the distance between two origins in metres."""
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3]))


def rotation_angle(a: Pose, b: Pose) -> float:
    """Returns the angle of the rotation between two poses, in [0, pi] radians.

    From sine and cosine both, so that small angles keep their digits.
    """
    r = a[:3, :3].T @ b[:3, :3]
    axis = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    return float(np.arctan2(np.linalg.norm(axis), np.trace(r) - 1))
