"""Recent odometry, asked for the robot's pose at the stamp of an image."""

from __future__ import annotations

from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.geometry import Pose
from a2gc_ros.nodes.inputs.waiting import StampedBuffer

LENGTH = 4000
"""Poses kept: 20 s of odometry at 200 Hz, 80 s at 50 Hz."""

NEAREST_NS = 250_000_000
"""A pose this near is taken where odometry does not reach the stamp; beyond, the pose is unknown."""


class OdometryBuffer(StampedBuffer[Pose]):
    """Poses from the receiving thread, interpolated for the working thread."""

    def __init__(self) -> None:
        super().__init__(LENGTH)

    def add(self, stamp_ns: int, t_odom_base: Pose) -> None:
        """Appends a pose; a stamp that is not newer than the last one starts the buffer anew."""
        with self._condition:
            if self._items and stamp_ns <= self._items[-1][0]:
                self._items.clear()
            super().add(stamp_ns, t_odom_base)

    def pose_at(self, stamp_ns: int, timeout_s: float) -> Pose | None:
        """Returns the pose at a stamp.

        An image often comes before the odometry that surrounds its stamp; waiting for it a little gives the same
        pose that reading a recording would give.

        Args:
            stamp_ns: Stamp of the image.
            timeout_s: Longest wait for odometry to reach the stamp.

        Returns:
            ``t_odom_base``, interpolated, or the nearest one within a quarter of a second; None where there is none.
        """
        with self._condition:
            self._wait_for(lambda: bool(self._items) and self._items[-1][0] >= stamp_ns, timeout_s)
            around = self._around(stamp_ns)
        if not around:
            return None
        if (pose := Trajectory.from_poses(around).interpolate(stamp_ns)) is not None:
            return pose
        nearest_ns, nearest = min(around, key=lambda sample: abs(sample[0] - stamp_ns))
        return nearest if abs(nearest_ns - stamp_ns) <= NEAREST_NS else None

    def _around(self, stamp_ns: int) -> list[tuple[int, Pose]]:
        """The last pose before the stamp and the first one from it on."""
        before = None
        for sample in reversed(self._items):
            if sample[0] < stamp_ns:
                return [sample] if before is None else [sample, before]
            before = sample
        return [] if before is None else [before]
