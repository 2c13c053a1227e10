"""What a receiving thread keeps for a working thread, which waits a little for what is still to come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Reversible
from typing import Any, Generic, TypeVar

from a2gc_ros.bags.depth_pairing import MAX_APART_NS
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.geometry import Pose
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS

T = TypeVar("T")

DEPTH_IMAGES = 8
"""Kept, not yet looked into."""

ODOMETRY_POSES = 4000
"""Kept: 20 s of odometry at 200 Hz, 80 s at 50 Hz."""

NEAREST_NS = 250_000_000
"""A pose this near is taken where odometry does not reach the stamp; beyond, the pose is unknown."""

STILL_ARRIVING_S = 1.0
"""What has been silent for longer is not waited for."""


S = TypeVar("S", bound="tuple[int, Any] | tuple[int, Any, Any]")


def around(samples: Reversible[S], stamp_ns: int) -> list[S]:
    """Returns the last sample before a stamp and the first one from it on, as far as there are; stamps come first."""
    after: list[S] = []
    for sample in reversed(samples):
        if sample[0] < stamp_ns:
            return [sample, *after]
        after = [sample]
    return after


class StampedBuffer(Generic[T]):
    """The last few items, each with its stamp."""

    def __init__(self, length: int) -> None:
        self._condition = threading.Condition()
        self._items: deque[tuple[int, T]] = deque(maxlen=length)
        self._last_arrival_s = float("-inf")
        self._closed = False

    def add(self, stamp_ns: int, item: T) -> None:
        """Appends an item."""
        with self._condition:
            self._items.append((stamp_ns, item))
            self._last_arrival_s = time.monotonic()
            self._condition.notify_all()

    def close(self) -> None:
        """Ends every wait, for good."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _wait_for(self, there: Callable[[], bool], timeout_s: float) -> None:
        """Waits, under the condition's lock, until something is there, unless nothing has come for a while."""
        if time.monotonic() - self._last_arrival_s < STILL_ARRIVING_S:
            self._condition.wait_for(lambda: self._closed or there(), timeout_s)


class DepthBuffer(StampedBuffer[bytes]):
    """Serialized depth images from the receiving thread, for the working thread."""

    def __init__(self) -> None:
        super().__init__(DEPTH_IMAGES)

    def message_at(self, stamp_ns: int, timeout_s: float) -> bytes | None:
        """Returns the message nearest to a stamp, waited for that long; None where none was taken at that moment."""
        with self._condition:
            self._wait_for(lambda: self._found(stamp_ns) is not None, timeout_s)
            return self._found(stamp_ns)

    def _found(self, stamp_ns: int) -> bytes | None:
        nearest = min(self._items, key=lambda entry: abs(entry[0] - stamp_ns), default=None)
        return nearest[1] if nearest is not None and abs(nearest[0] - stamp_ns) <= MAX_APART_NS else None


class OdometryBuffer(StampedBuffer[Pose]):
    """Poses from the receiving thread, interpolated for the working thread."""

    def __init__(self) -> None:
        super().__init__(ODOMETRY_POSES)

    def add(self, stamp_ns: int, t_odom_base: Pose) -> None:
        """Appends a newer pose, and passes others over; where the clock went back, the buffer starts anew."""
        with self._condition:
            newest_ns = self._items[-1][0] if self._items else stamp_ns - 1
            if stamp_ns < newest_ns - JUMP_BACK_NS:
                self._items.clear()
            elif stamp_ns <= newest_ns:
                return
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
            neighbors = around(self._items, stamp_ns)
        if not neighbors:
            return None
        if (pose := Trajectory.from_poses(neighbors).interpolate(stamp_ns)) is not None:
            return pose
        nearest_ns, nearest = min(neighbors, key=lambda sample: abs(sample[0] - stamp_ns))
        return nearest if abs(nearest_ns - stamp_ns) <= NEAREST_NS else None
