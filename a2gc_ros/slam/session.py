"""One run of a robot: stamped odometry and closures in, corrected poses at any stamp out."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np

from a2gc_ros import geometry
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.geometry import Pose
from a2gc_ros.slam.noise import ClosureNoise, Matrix, OdometryNoise, at_bases, growth_of, require_positive
from a2gc_ros.slam.pose_graph import Closure, PoseGraph

ClosureOutcome: TypeAlias = Literal["agrees", "contradicts", "no pose", "outside"]
"""What became of a closure: it agrees with the rest, or contradicts it and has no weight for now; it had no relative
pose, and was not used; one of its stamps lies outside this run's odometry."""

NEAREST_NS: Final = 250_000_000
"""A stamp this near to the first or the last odometry belongs to it."""

KEPT_EVERY_NS: Final = 50_000_000
"""Odometry is kept 20 times a second, however often it comes: a day of it fits into memory."""


@dataclass(frozen=True)
class SlamConfig:
    """Settings of a :class:`SlamSession`.

    Attributes:
        distance_m: Metres between poses of the graph.
        angle_rad: Radians turned between poses of the graph.
        use_covariance: Whether what odometry says of its certainty comes on top of its least noise. Off: most drivers
            send constants, and those that do not send the sum of all errors since the start, systematic ones among
            them, which a chain of independent steps can only hold against the latest.
    """

    distance_m: float = 1.0
    angle_rad: float = 0.3
    odometry: OdometryNoise = field(default_factory=OdometryNoise)
    closure: ClosureNoise = field(default_factory=ClosureNoise)
    use_covariance: bool = False

    def __post_init__(self) -> None:
        require_positive("the pose graph", distance_m=self.distance_m, angle_rad=self.angle_rad)


@dataclass(frozen=True)
class StampedClosure:
    """What two images say about the robot's motion between them.

    Attributes:
        relative_pose: ``t_keyframeCamera_queryCamera``, of unit length unless ``scale_known``; None where unknown.
        covariance: Of it, as in :class:`a2gc_ros.loops.results.Verification`.
        scale_known: Whether its translation is in metres.
    """

    query_stamp_ns: int
    keyframe_stamp_ns: int
    relative_pose: Pose | None
    covariance: Matrix | None = None
    scale_known: bool = False


class SlamSession:
    """Builds the graph of one run.

    Poses of the graph follow the odometry at an even spacing; an image between two of them is tied to the one before
    by the odometry between. The map frame is the odometry's as it was at the start.
    """

    def __init__(self, config: SlamConfig | None = None) -> None:
        self.config = config or SlamConfig()
        self.graph: PoseGraph | None = None
        self.outcomes: dict[ClosureOutcome, int] = {"agrees": 0, "contradicts": 0, "no pose": 0, "outside": 0}
        self._stamps_ns: list[int] = []
        self._odometry: list[Pose] = []
        self._nodes: list[int] = []
        self._covariance_at_node: Matrix | None = None

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest odometry; None before the first."""
        return self._stamps_ns[-1] if self._stamps_ns else None

    def add_odometry(self, stamp_ns: int, t_odom_base: Pose, covariance: Matrix | None = None) -> bool:
        """Takes in the next pose of the odometry; says whether it became a pose of the graph.

        Args:
            stamp_ns: One that is not newer than the last is passed over.
            t_odom_base: The pose.
            covariance: (6, 6) as in nav_msgs/Odometry; None where there is none.
        """
        if self._stamps_ns and stamp_ns <= self._stamps_ns[-1]:
            return False
        if self._is_dispensable(stamp_ns):
            self._stamps_ns.pop()
            self._odometry.pop()
        self._stamps_ns.append(stamp_ns)
        self._odometry.append(t_odom_base)
        if self.graph is None:
            self.graph = PoseGraph(t_odom_base)
        else:
            before = self._odometry[self._nodes[-1]]
            near = geometry.distance(before, t_odom_base) < self.config.distance_m
            if near and geometry.rotation_angle(before, t_odom_base) < self.config.angle_rad:
                return False
            growth = None
            if self.config.use_covariance and covariance is not None and self._covariance_at_node is not None:
                growth = growth_of((before, self._covariance_at_node), (t_odom_base, covariance))
            motion = geometry.relative(before, t_odom_base)
            self.graph.add_pose(motion, self.config.odometry.covariance(motion, growth))
        self._nodes.append(len(self._stamps_ns) - 1)
        self._covariance_at_node = covariance
        return True

    def __len__(self) -> int:
        """Returns how many poses of the odometry are kept."""
        return len(self._stamps_ns)

    def _is_dispensable(self, stamp_ns: int) -> bool:
        """Whether the last odometry may go, since those around it are close in time and the graph does not need it."""
        if len(self._stamps_ns) < 2 or self._nodes[-1] == len(self._stamps_ns) - 1:
            return False
        return stamp_ns - self._stamps_ns[-2] < KEPT_EVERY_NS

    def add_closure(self, closure: StampedClosure, t_base_camera: Pose) -> ClosureOutcome:
        """Takes in a closure, whose odometry must have come before, and ``t_base_camera`` of the optical frame."""
        outcome = self._add_closure(closure, t_base_camera)
        self.outcomes[outcome] += 1
        return outcome

    def _add_closure(self, closure: StampedClosure, t_base_camera: Pose) -> ClosureOutcome:
        if closure.relative_pose is None:
            return "no pose"
        ends = [self._tied(stamp) for stamp in (closure.keyframe_stamp_ns, closure.query_stamp_ns)]
        if self.graph is None or ends[0] is None or ends[1] is None:
            return "outside"
        (earlier, t_earlier_base), (later, t_later_base) = ends[0], ends[1]
        if earlier == later:
            return "outside"
        measured, covariance = self.config.closure.covariance(
            closure.relative_pose, closure.covariance, scale_known=closure.scale_known
        )
        cameras = t_earlier_base @ t_base_camera, t_later_base @ t_base_camera
        fits = self.graph.add_closure(Closure(earlier, later, *at_bases(measured, covariance, *cameras)))
        return "agrees" if fits else "contradicts"

    def t_map_odom(self) -> Pose:
        """Returns where the odometry's frame lies in the map now; the identity before any odometry."""
        if self.graph is None:
            return np.eye(4)
        return self.graph.pose(len(self.graph) - 1) @ geometry.inverse(self._odometry[self._nodes[-1]])

    def nodes(self) -> Trajectory:
        """Returns the corrected poses of the graph, ``t_map_base``."""
        poses = [] if self.graph is None else list(self.graph.poses())
        return Trajectory.from_poses(zip((self._stamps_ns[i] for i in self._nodes), poses, strict=True))

    def corrected(self, stamps_ns: list[int]) -> Trajectory:
        """Returns ``t_map_base`` at stamps; those outside the run are left out."""
        if self.graph is None:
            return Trajectory.from_poses([])
        poses = self.graph.poses()
        tied = [(stamp, self._tied(stamp)) for stamp in stamps_ns]
        return Trajectory.from_poses((stamp, poses[tie[0]] @ tie[1]) for stamp, tie in tied if tie is not None)

    def _tied(self, stamp_ns: int) -> tuple[int, Pose] | None:
        """Returns the pose of the graph at or before a stamp, and ``t_pose_base`` at the stamp by odometry."""
        pose = self._odometry_at(stamp_ns)
        if pose is None:
            return None
        node = max(bisect_right(self._nodes, stamp_ns, key=self._stamps_ns.__getitem__) - 1, 0)
        return node, geometry.relative(self._odometry[self._nodes[node]], pose)

    def _odometry_at(self, stamp_ns: int) -> Pose | None:
        stamps = self._stamps_ns
        if not stamps or not stamps[0] - NEAREST_NS <= stamp_ns <= stamps[-1] + NEAREST_NS:
            return None
        after = bisect_right(stamps, stamp_ns)
        if after == 0 or after == len(stamps):
            return self._odometry[min(after, len(stamps) - 1)]
        around = [(stamps[i], self._odometry[i]) for i in (after - 1, after)]
        return Trajectory.from_poses(around).interpolate(stamp_ns)
