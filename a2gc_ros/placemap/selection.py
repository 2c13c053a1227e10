"""Which frames become keyframes.

Where the pose is known, a frame is kept when the robot has moved or turned enough since the last keyframe; a robot that
stands still adds nothing. Where it is not, a frame is kept when its descriptor has changed enough, or at a fixed
interval. The choice looks only at stamps, poses and descriptors, never at a clock, and its state can be stored: the
same frames give the same keyframes, whether or not the work was interrupted.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import Pose


@dataclass(frozen=True)
class Spacing:
    """How far apart keyframes are.

    Attributes:
        distance_m: With poses: metres moved since the last keyframe.
        angle_rad: With poses: radians turned since the last keyframe.
        time_s: Seconds since the last keyframe. With poses it adds keyframes of a robot that stands still; without
            poses it replaces the comparison of descriptors. None: not used.
        similarity: Without poses: a frame is kept when its cosine to the last keyframe is below this.
        min_interval_s: Without poses: frames closer than this to the last one that was looked at are passed over.
    """

    distance_m: float = 1.0
    angle_rad: float = 0.5
    time_s: float | None = None
    similarity: float = 0.9
    min_interval_s: float = 0.2

    def __post_init__(self) -> None:
        for name, low, high in (
            ("distance_m", 0.0, 1e4),
            ("angle_rad", 0.0, 7.0),
            ("similarity", -1.0, 1.0),
            ("min_interval_s", 0.0, 1e4),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"keyframe spacing: {name} is {value}, it must lie between {low} and {high}")
        if self.time_s is not None and not 0 < self.time_s <= 1e6:
            raise ConfigError(f"keyframe spacing: time_s is {self.time_s}, it must be above 0")


class Proposal(enum.Enum):
    """What motion and time alone say about a frame."""

    SKIP = "skip"
    KEEP = "keep"
    COMPARE = "compare"
    """The descriptor decides."""


class Odometer:
    """Distance travelled along a sequence of poses.

    Steps shorter than ``MIN_STEP_M`` are gathered first, so that the noise of a standing robot's odometry adds nothing.
    """

    MIN_STEP_M = 0.05

    def __init__(self) -> None:
        self._path_length = 0.0
        self._last: Pose | None = None

    def update(self, pose: Pose | None) -> float | None:
        """Takes the next pose and returns the metres travelled so far, or None when it is unknown."""
        if pose is None:
            return None
        if self._last is None:
            self._last = pose
        step = geometry.distance(self._last, pose)
        if step < self.MIN_STEP_M:
            return self._path_length
        self._path_length += step
        self._last = pose
        return self._path_length

    def state(self) -> dict[str, Any]:
        """Returns the state as JSON values."""
        return {"travelled": self._path_length, "last": _listed(self._last)}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what :meth:`state` returned."""
        self._path_length = float(state["travelled"])
        self._last = _matrix(state["last"])


class MotionGate:
    """Proposes keyframes from poses and stamps."""

    def __init__(self, spacing: Spacing) -> None:
        self._spacing = spacing
        self._anchor: Pose | None = None
        self._anchor_ns: int | None = None
        self._looked_ns: int | None = None

    def propose(self, stamp_ns: int, pose: Pose | None) -> Proposal:
        """Says whether the frame is a keyframe as far as motion and time can tell."""
        proposal = self._without_pose(stamp_ns) if pose is None else self._with_pose(stamp_ns, pose)
        if proposal is Proposal.KEEP:
            self._anchor_ns = stamp_ns
            self._anchor = pose
        return proposal

    def _with_pose(self, stamp_ns: int, pose: Pose) -> Proposal:
        spacing = self._spacing
        if (
            self._anchor is None
            or geometry.distance(self._anchor, pose) >= spacing.distance_m
            or geometry.rotation_angle(self._anchor, pose) >= spacing.angle_rad
            or (spacing.time_s is not None and self._waited(self._anchor_ns, stamp_ns, spacing.time_s))
        ):
            return Proposal.KEEP
        return Proposal.SKIP

    def _without_pose(self, stamp_ns: int) -> Proposal:
        if self._spacing.time_s is not None:
            waited = self._waited(self._anchor_ns, stamp_ns, self._spacing.time_s)
            return Proposal.KEEP if waited else Proposal.SKIP
        if not self._waited(self._looked_ns, stamp_ns, self._spacing.min_interval_s):
            return Proposal.SKIP
        self._looked_ns = stamp_ns
        return Proposal.COMPARE

    @staticmethod
    def _waited(since_ns: int | None, stamp_ns: int, seconds: float) -> bool:
        # A stamp that steps back counts as waiting too, or a restarted clock would stop the map from growing.
        return since_ns is None or abs(stamp_ns - since_ns) >= seconds * 1e9

    def state(self) -> dict[str, Any]:
        """Returns the state as JSON values."""
        return {"anchor": _listed(self._anchor), "anchor_ns": self._anchor_ns, "looked_ns": self._looked_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what :meth:`state` returned."""
        self._anchor = _matrix(state["anchor"])
        self._anchor_ns = state["anchor_ns"]
        self._looked_ns = state["looked_ns"]


class ChangeGate:
    """Decides by descriptor what the motion left open.

    Args:
        similarity: A frame is kept when its cosine to the last keyframe is below this.
        last: Descriptor of the last keyframe, float32 (D,), when going on with a session.
    """

    def __init__(self, similarity: float, last: npt.NDArray[np.float32] | None = None) -> None:
        self._similarity = similarity
        self._last = last

    def keep(self, proposal: Proposal, descriptor: npt.NDArray[np.float32]) -> bool:
        """Says whether the frame becomes a keyframe, and remembers it if so."""
        if proposal is Proposal.SKIP:
            return False
        if proposal is Proposal.COMPARE and self._last is not None:
            similarity = float(self._last @ descriptor)
            if similarity >= self._similarity:
                return False
        # Rounded as the map stores it, so that going on from the map decides alike.
        self._last = descriptor.astype(np.float16).astype(np.float32)
        return True


class KeyframeSelector:
    """Motion, time and descriptor together, for frames that come one by one."""

    def __init__(self, spacing: Spacing) -> None:
        self._motion = MotionGate(spacing)
        self._change = ChangeGate(spacing.similarity)

    def select(self, stamp_ns: int, pose: Pose | None, descriptor: npt.NDArray[np.float32]) -> bool:
        """Says whether the frame becomes a keyframe; frames come in the order of their stamps."""
        return self._change.keep(self._motion.propose(stamp_ns, pose), descriptor)


def _listed(pose: Pose | None) -> list[list[float]] | None:
    return None if pose is None else np.asarray(pose, dtype=np.float64).tolist()


def _matrix(rows: list[list[float]] | None) -> Pose | None:
    return None if rows is None else np.asarray(rows, dtype=np.float64).reshape(4, 4)
