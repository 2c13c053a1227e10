"""The transform tree of a recording (/tf and /tf_static), looked up at a stamp."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from a2gc_ros.bags.trajectory import MAX_GAP_NS, Quaternion, Trajectory, TrajectoryBuilder, Vector
from a2gc_ros.geometry import Pose, inverse, pose_from_quaternion


class TransformTree:
    """Edges from child frames to their parents, fixed or moving.

    Frame names lose their leading slash, as tf2 demands of them.
    """

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self._static: dict[str, Pose] = {}
        self._moving: dict[str, TrajectoryBuilder] = defaultdict(TrajectoryBuilder)
        self._trajectories: dict[str, Trajectory] = {}

    def add(
        self, parent: str, child: str, stamp_ns: int, translation: Vector, rotation: Quaternion, *, static: bool
    ) -> None:
        """Adds one sample of an edge: the pose of the child in its parent, metres and (x, y, z, w).

        Raises:
            ValueError: If the quaternion has no length or anything is not finite.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if static:
            self._static[child] = pose_from_quaternion(translation, rotation)
        else:
            self._moving[child].add(stamp_ns, translation, rotation)
            self._trajectories.pop(child, None)
        self._parents[child] = parent

    @property
    def frames(self) -> set[str]:
        """Names of all frames."""
        return set(self._parents) | set(self._parents.values())

    def is_connected(self, a: str, b: str) -> bool:
        """Whether a chain of edges leads from one frame to the other."""
        return {a, b} <= self.frames and self._chain(a)[-1] == self._chain(b)[-1]

    def lookup(self, fixed: str, moving: str, stamp_ns: int, max_gap_ns: int = MAX_GAP_NS) -> Pose | None:
        """Returns ``t_fixed_moving`` at a stamp, or None where an edge of the chain has no samples around it."""
        if not self.is_connected(fixed, moving):
            return None
        up, down = self._chain(fixed), self._chain(moving)
        # What both chains share above the frames where they meet needs no samples.
        while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:
            up.pop()
            down.pop()
        t_meet_fixed = self._along(up, stamp_ns, max_gap_ns)
        t_meet_moving = self._along(down, stamp_ns, max_gap_ns)
        if t_meet_fixed is None or t_meet_moving is None:
            return None
        return inverse(t_meet_fixed) @ t_meet_moving

    def _chain(self, frame: str) -> list[str]:
        """Frames from ``frame`` up to its root; a loop in a broken tree ends the chain."""
        chain = [frame]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return chain

    def _along(self, chain: list[str], stamp_ns: int, max_gap_ns: int) -> Pose | None:
        """Returns the pose of the first frame of a chain in the last."""
        pose: Pose = np.eye(4)
        for child in chain[:-1]:
            edge = self._edge(child, stamp_ns, max_gap_ns)
            if edge is None:
                return None
            pose = edge @ pose
        return pose

    def _edge(self, child: str, stamp_ns: int, max_gap_ns: int) -> Pose | None:
        if child in self._static:
            return self._static[child]
        if child not in self._trajectories:
            self._trajectories[child] = self._moving[child].build()
        return self._trajectories[child].interpolate(stamp_ns, max_gap_ns)
