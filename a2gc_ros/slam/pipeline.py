"""From a recording to a corrected trajectory: loop detection and pose graph, offline, as a robot would run them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags import Trajectory, open_recording
from a2gc_ros.errors import BagError
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.geometry import Pose, pose_from_xyz_rpy
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopClosure, Verification
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.replay.chain import ChainOptions, run_chain, true_poses
from a2gc_ros.slam.noise import Matrix
from a2gc_ros.slam.session import ClosureOutcome, SlamConfig, SlamSession, StampedClosure

LOOKING_AHEAD: Final = pose_from_xyz_rpy((0.0, 0.0, 0.0, -np.pi / 2, 0.0, -np.pi / 2))
"""``t_base_camera`` where nothing tells it."""


@dataclass(frozen=True, kw_only=True)
class SlamOptions(ChainOptions):
    """What is run.

    Attributes:
        camera_pose: ``t_base_camera``; None takes the recording's transforms, else a camera that looks ahead.
    """

    slam: SlamConfig = field(default_factory=SlamConfig)
    camera_pose: Pose | None = None


@dataclass(frozen=True)
class SlamRun:
    """What came out.

    Attributes:
        before: ``t_odom_base`` at every image.
        after: ``t_map_base`` at the same stamps, with all closures known.
        truth: True poses of the recording, or None.
        closures: int64 (C, 2), stamps of query and keyframe of each closure that was given to the graph.
        agreeing: bool (C,), whether the graph agrees with it in the end.
        outcomes: How many closures came to which outcome when they came.
        camera_assumed: Whether nothing told where the camera sits, so that it was taken to look ahead.
        skipped: Images that were not worked on, by reason.
    """

    before: Trajectory
    after: Trajectory
    truth: Trajectory | None
    closures: npt.NDArray[np.int64]
    agreeing: npt.NDArray[np.bool_]
    outcomes: dict[ClosureOutcome, int]
    keyframes: int
    graph_poses: int
    camera_assumed: bool
    skipped: dict[str, int]


def run_slam(options: SlamOptions, on_frame: Callable[[int, int], None] = lambda _done, _total: None) -> SlamRun:
    """Runs detector and graph over a recording, image by image.

    Args:
        options: What is run.
        on_frame: Called with images done and in total.

    Raises:
        A2gcError: If the recording, the model or a setting cannot be used, or the recording has no odometry.
    """
    extractor = open_extractor(options.model, backend=options.backend, threads=options.threads)
    spec = extractor.spec
    with contextlib.ExitStack() as stack:
        recording = stack.enter_context(open_recording(options.bag))
        if options.pose_topic(recording) is None:
            raise BagError(
                f"{recording.path} has no odometry, and a pose graph needs it: name a topic of poses with --odometry "
                "(a2gc bag info lists the topics)"
            )
        place_map = stack.enter_context(PlaceMap.create(":memory:", Manifest.of(spec)))
        covariances = recording.covariances(options.odometry_topic)
        feed = GraphFeed(options.slam, covariances.at, options.camera_pose)
        done = itertools.count(1)

        def advance(frame: Frame, detection: Detection, total: int) -> None:
            feed.add(frame, detection)
            on_frame(next(done), total)

        run_chain(options, recording, extractor, place_map, advance)
        if feed.session.graph is None:
            raise BagError(f"{options.bag} has no odometry at the stamps of its images: are both on the same clock?")
        return feed.result(true_poses(recording, options)[0], len(place_map), dict(recording.skips.reasons))


class GraphFeed:
    """Hands frames and closures on to a pose graph.

    Args:
        covariance_at: Covariance of the odometry at a stamp, (6, 6), or None where it has none.
        camera_pose: ``t_base_camera``; None takes the frames', else a camera that looks ahead.
    """

    def __init__(
        self,
        config: SlamConfig,
        covariance_at: Callable[[int], Matrix | None] = lambda _stamp_ns: None,
        camera_pose: Pose | None = None,
    ) -> None:
        self.session = SlamSession(config)
        self._covariance_at = covariance_at
        self._camera_pose = camera_pose
        self._camera_assumed = False
        self._odometry: list[tuple[int, Pose]] = []
        self._closures: list[tuple[int, int]] = []

    def add(self, frame: Frame, detection: Detection) -> None:
        """Takes in a frame and what was detected with it."""
        if frame.pose is not None:
            self._odometry.append((frame.stamp_ns, frame.pose))
            self.session.add_odometry(frame.stamp_ns, frame.pose, self._covariance_at(frame.stamp_ns))
        for closure in detection.closures:
            outcome = self.session.add_closure(stamped(closure), self._t_base_camera(frame))
            if outcome in ("agrees", "contradicts"):
                self._closures.append((closure.match.query_stamp_ns, closure.match.keyframe_stamp_ns))

    def _t_base_camera(self, frame: Frame) -> Pose:
        if self._camera_pose is not None:
            return self._camera_pose
        if frame.t_base_camera is not None:
            return frame.t_base_camera
        self._camera_assumed = True
        return LOOKING_AHEAD

    def result(self, truth: Trajectory | None, keyframes: int, skipped: dict[str, int]) -> SlamRun:
        """Returns what came out; there must have been odometry."""
        graph = self.session.graph
        assert graph is not None
        before = Trajectory.from_poses(self._odometry)
        return SlamRun(
            before=before,
            after=self.session.corrected([int(stamp) for stamp in before.stamps_ns]),
            truth=truth,
            closures=np.array(self._closures, dtype=np.int64).reshape(-1, 2),
            agreeing=graph.agreeing(),
            outcomes=dict(self.session.outcomes),
            keyframes=keyframes,
            graph_poses=len(graph),
            camera_assumed=self._camera_assumed,
            skipped=skipped,
        )


def stamped(closure: LoopClosure) -> StampedClosure:
    """Returns what the graph needs of a closure."""
    match, checked = closure.match, closure.verification or Verification(False)
    ends = match.query_stamp_ns, match.keyframe_stamp_ns
    return StampedClosure(*ends, checked.relative_pose, checked.covariance, checked.scale_known)
