"""Poses over time, and the pose at any moment between them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose, check_pose_values, pose_from_quaternion, quaternion_of

MAX_GAP_NS = 2_000_000_000
"""No pose is interpolated across a longer pause: the robot may have been anywhere."""

Vector: TypeAlias = "tuple[float, float, float]"
Quaternion: TypeAlias = "tuple[float, float, float, float]"


@dataclass(frozen=True)
class Trajectory:
    """Stamped poses of one moving frame in one fixed frame.

    Attributes:
        stamps_ns: int64 (N,), strictly increasing, nanoseconds.
        positions: float64 (N, 3), metres.
        quaternions: float64 (N, 4), unit, ordered (x, y, z, w).
    """

    stamps_ns: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]
    quaternions: npt.NDArray[np.float64]

    @classmethod
    def from_samples(cls, stamps_ns: npt.ArrayLike, positions: npt.ArrayLike, quaternions: npt.ArrayLike) -> Trajectory:
        """Builds a trajectory from samples in any order; of equal stamps the last one counts.

        Args:
            stamps_ns: (N,) nanoseconds.
            positions: (N, 3) metres.
            quaternions: (N, 4) ordered (x, y, z, w); normalized here.

        Raises:
            ValueError: If shapes differ, a quaternion has no length, or anything is not finite or beyond all measure.
        """
        stamps = np.asarray(stamps_ns, dtype=np.int64).reshape(-1)
        xyz = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
        q = np.asarray(quaternions, dtype=np.float64).reshape(-1, 4)
        if not len(stamps) == len(xyz) == len(q):
            raise ValueError(f"{len(stamps)} stamps, {len(xyz)} positions and {len(q)} quaternions")
        for position, quaternion in zip(xyz.tolist(), q.tolist(), strict=True):
            check_pose_values(position, quaternion)
        norms = np.linalg.norm(q, axis=1, keepdims=True)
        # Unique keeps the first of equal stamps, so the order is turned round for the last to win.
        stamps, first = np.unique(stamps[::-1], return_index=True)
        return cls(stamps, xyz[::-1][first], (q / norms)[::-1][first])

    @classmethod
    def from_poses(cls, stamped: Iterable[tuple[int, Pose]]) -> Trajectory:
        """Builds a trajectory from (stamp in nanoseconds, pose) pairs in any order."""
        pairs = list(stamped)
        return cls.from_samples(
            [stamp for stamp, _ in pairs],
            [pose[:3, 3] for _, pose in pairs],
            [quaternion_of(pose) for _, pose in pairs],
        )

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def pose(self, index: int) -> Pose:
        """Returns one sample as a (4, 4) pose."""
        return pose_from_quaternion(self.positions[index], self.quaternions[index])

    def interpolate(self, stamp_ns: int) -> Pose | None:
        """Returns the pose at a stamp in nanoseconds: straight line for the position, slerp for the rotation.

        None before the first sample, after the last, or within a pause longer than `MAX_GAP_NS`.
        """
        after = int(np.searchsorted(self.stamps_ns, stamp_ns))
        if after == len(self):
            return None
        if self.stamps_ns[after] == stamp_ns:
            return self.pose(after)
        if after == 0:
            return None
        before = after - 1
        gap = int(self.stamps_ns[after] - self.stamps_ns[before])
        if gap > MAX_GAP_NS:
            return None
        fraction = int(stamp_ns - self.stamps_ns[before]) / gap
        position = self.positions[before] + fraction * (self.positions[after] - self.positions[before])
        return pose_from_quaternion(position, _slerp(self.quaternions[before], self.quaternions[after], fraction))


class TrajectoryBuilder:
    """Collects samples, 64 bytes each, since an hour of odometry has hundreds of thousands."""

    def __init__(self) -> None:
        self._stamps_ns = array("q")
        self._values = array("d")

    def add(self, stamp_ns: int, position: Vector, quaternion: Quaternion) -> None:
        """Adds a sample: metres, and (x, y, z, w) of any length.

        Raises:
            ValueError: If the quaternion has no length, or anything is not finite or beyond all measure.
        """
        check_pose_values(position, quaternion)
        self._stamps_ns.append(stamp_ns)
        self._values.extend((*position, *quaternion))

    def build(self) -> Trajectory:
        """Returns the trajectory of all samples so far."""
        values = np.array(self._values).reshape(-1, 7)
        return Trajectory.from_samples(np.array(self._stamps_ns), values[:, :3], values[:, 3:])


def _slerp(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], fraction: float) -> npt.NDArray[np.float64]:
    """Shoemake's spherical interpolation along the shorter arc; unnormalized where the arc is tiny."""
    cosine = float(a @ b)
    if cosine < 0:
        a, cosine = -a, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        return a + fraction * (b - a)
    return np.asarray((np.sin((1 - fraction) * angle) * a + np.sin(fraction * angle) * b) / np.sin(angle))
