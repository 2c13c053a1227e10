"""Whether a frame goes on where the last one was: clocks step back, and odometry jumps after a restart or a slip."""

from __future__ import annotations

from typing import Final

import numpy as np

from a2gc_ros import geometry
from a2gc_ros.images.frame import Frame

STEP_BACK_NS: Final = 1_000_000_000
"""Stamps that are a little out of order are the transport's doing; more is another clock or another run."""

MAX_SPEED: Final = 50.0
"""Metres per second; no ground robot's odometry moves faster."""

SLACK_M: Final = 3.0


class Continuity:
    """Compares each frame with the one before it."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._posed: Frame | None = None

    def broken_by(self, frame: Frame) -> bool:
        """Says whether stamps or odometry start anew with this frame, and remembers it."""
        back = self._stamp_ns is not None and frame.stamp_ns < self._stamp_ns - STEP_BACK_NS
        jumped = False
        if self._posed is not None and self._posed.pose is not None and frame.pose is not None:
            seconds = abs(frame.stamp_ns - self._posed.stamp_ns) / 1e9
            jumped = geometry.distance(self._posed.pose, frame.pose) > SLACK_M + MAX_SPEED * seconds
        self._stamp_ns = frame.stamp_ns
        if frame.pose is not None:
            self._posed = frame
        return back or jumped


def usable_pose(frame: Frame) -> bool:
    """Says whether a frame has a pose made of numbers; odometry that diverged sends NaN."""
    return frame.pose is not None and bool(np.isfinite(frame.pose).all())
