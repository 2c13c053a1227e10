"""The transform tree (/tf and /tf_static) of a recording or a robot, looked up at a stamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np

from a2gc_ros.bags.trajectory import Quaternion, Trajectory, TrajectoryBuilder, Vector
from a2gc_ros.geometry import Pose, inverse, pose_from_quaternion


class Samples(Protocol):
    """Poses of one moving edge over time."""

    def add(self, stamp_ns: int, translation: Vector, rotation: Quaternion) -> None:
        """Adds one, metres and (x, y, z, w); raises ValueError where it is no pose."""

    def interpolate(self, stamp_ns: int) -> Pose | None:
        """Returns the pose at a stamp, or None where there are no samples around it."""


SamplesT = TypeVar("SamplesT", bound=Samples)


class RecordedSamples:
    """All samples of an edge, as a recording has them."""

    def __init__(self) -> None:
        self._builder = TrajectoryBuilder()
        self._trajectory: Trajectory | None = None

    def add(self, stamp_ns: int, translation: Vector, rotation: Quaternion) -> None:
        """See :class:`Samples`."""
        self._builder.add(stamp_ns, translation, rotation)
        self._trajectory = None

    def interpolate(self, stamp_ns: int) -> Pose | None:
        """See :class:`Samples`."""
        if self._trajectory is None:
            self._trajectory = self._builder.build()
        return self._trajectory.interpolate(stamp_ns)


class TransformTree(Generic[SamplesT]):
    """Edges from child frames to their parents, fixed or moving.

    Frame names lose their leading slash, as tf2 demands of them.
    """

    def __init__(self, make_samples: Callable[[], SamplesT]) -> None:
        self._make_samples = make_samples
        self._parents: dict[str, str] = {}
        self._static: dict[str, Pose] = {}
        self._moving: dict[str, SamplesT] = {}

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
            samples = self._moving.get(child) or self._make_samples()
            samples.add(stamp_ns, translation, rotation)
            self._moving[child] = samples
        self._parents[child] = parent

    @property
    def frames(self) -> set[str]:
        """Names of all frames."""
        return set(self._parents) | set(self._parents.values())

    def is_connected(self, a: str, b: str) -> bool:
        """Whether a chain of edges leads from one frame to the other."""
        return {a, b} <= self.frames and self._chain(a)[-1] == self._chain(b)[-1]

    def lookup(self, fixed: str, moving: str, stamp_ns: int) -> Pose | None:
        """Returns ``t_fixed_moving`` at a stamp, or None where an edge of the chain has no samples around it."""
        if not self.is_connected(fixed, moving):
            return None
        up, down = self._chains(fixed, moving)
        t_meet_fixed = self._along(up, stamp_ns)
        t_meet_moving = self._along(down, stamp_ns)
        if t_meet_fixed is None or t_meet_moving is None:
            return None
        return inverse(t_meet_fixed) @ t_meet_moving

    def moving_between(self, fixed: str, moving: str) -> list[SamplesT]:
        """Returns the samples of the moving edges of the chain between two frames; none where there is no chain."""
        if not self.is_connected(fixed, moving):
            return []
        edges = (child for chain in self._chains(fixed, moving) for child in chain[:-1])
        return [self._moving[child] for child in edges if child not in self._static]

    def _chains(self, fixed: str, moving: str) -> tuple[list[str], list[str]]:
        """Returns the chains from two connected frames up to where they meet; above it no samples are needed."""
        up, down = self._chain(fixed), self._chain(moving)
        while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:
            up.pop()
            down.pop()
        return up, down

    def _chain(self, frame: str) -> list[str]:
        """Frames from ``frame`` up to its root; a loop in a broken tree ends the chain."""
        chain = [frame]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return chain

    def _along(self, chain: list[str], stamp_ns: int) -> Pose | None:
        """Returns the pose of the first frame of a chain in the last."""
        pose: Pose = np.eye(4)
        for child in chain[:-1]:
            edge = self._static[child] if child in self._static else self._moving[child].interpolate(stamp_ns)
            if edge is None:
                return None
            pose = edge @ pose
        return pose
