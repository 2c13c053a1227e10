"""The whole chain over a recording: what a run is asked for, the run itself, and the true poses to judge it by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from a2gc_ros.bags import Recording, Trajectory
from a2gc_ros.bags.pose_table import read_trajectory
from a2gc_ros.bags.storage import Topic
from a2gc_ros.bags.topics import pose_topic, truth_topic
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.images.ahead import cores, share_cores
from a2gc_ros.images.camera_options import CameraOptions
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig, LoopDetector
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.replay.ground_truth import RevisitRule
from a2gc_ros.replay.offline import run_offline
from a2gc_ros.replay.records import RunRecord
from a2gc_ros.shipped import DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class ChainOptions:
    """Over what the chain runs, and how.

    Attributes:
        threads: CPU threads; 0 takes all.
        loop: Settings of loop detection that differ from the defaults.
        image_topic: None takes the only one.
        odometry_topic: None takes the best there is; empty takes none.
        truth: Topic, or TUM, KITTI or CSV file, of true poses; None guesses the topic.
        start: First second of the recording.
        stop: First second no longer used.
        camera: What the user says of the camera.
    """

    bag: Path = field(kw_only=False)
    model: str = DEFAULT_MODEL
    backend: str = "auto"
    threads: int = 0
    loop: Mapping[str, Any] = field(default_factory=dict)
    image_topic: str | None = None
    odometry_topic: str | None = None
    truth: str | None = None
    start: float | None = None
    stop: float | None = None
    camera: CameraOptions = field(default_factory=CameraOptions)

    def pose_topic(self, recording: Recording) -> Topic | None:
        """Returns where the robot's poses come from; None where there are none, or none are wanted."""
        return None if self.odometry_topic == "" else pose_topic(recording.topics, self.odometry_topic)


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(ChainOptions):
    """What is replayed, and how it is judged; without true poses by the odometry.

    Attributes:
        live: Through the node on a ROS 2 graph, and afterwards offline over the images that the node worked on, for
            comparison; otherwise offline only.
        rule: When two images count as the same place; the gaps of ``loop`` replace its own.
        rate: Live only: how many times faster than recorded.
        lockstep: Live only: the node answers each image before the next is played.
        rerun: File for Rerun that is written as well.
        foxglove: File for Foxglove that is written as well.
    """

    report: Path = field(kw_only=False)
    live: bool = False
    maps: Sequence[Path] = ()
    rule: RevisitRule = field(default_factory=RevisitRule)
    rate: float = 1.0
    lockstep: bool = False
    rerun: Path | None = None
    foxglove: Path | None = None


def run_chain(
    options: ChainOptions,
    recording: Recording,
    extractor: Extractor,
    place_map: PlaceMap,
    on_frame: Callable[[Frame, Detection, int], None],
    *,
    maps: Sequence[PlaceMap] = (),
    only: Collection[int] | None = None,
) -> RunRecord:
    """Runs the chain offline, against loaded maps too; keyframes go into ``place_map``.

    ``only`` holds the stamps of the images that are taken, None for all. After each image ``on_frame`` is told of it,
    and about how many there are in total.
    """
    # The other half has what comes next to prepare; more threads than cores only wait for each other.
    threads = max(1, cores(options.threads) // 2)
    detector = LoopDetector(
        LoopConfig(**options.loop), place_map, maps, session_source=options.bag.name, threads=threads
    )
    frames = recording.frames(
        options.image_topic, options.odometry_topic, start=options.start, stop=options.stop, camera=options.camera
    )
    total = _expected(recording, options)
    if only is not None:
        frames, total = (frame for frame in frames if frame.stamp_ns in only), len(only)
    run = run_offline(
        frames,
        extractor,
        detector,
        lambda frame, detection: on_frame(frame, detection, total),
        ahead=share_cores(options.threads),
    )
    return replace(run, skipped=dict(recording.skips.reasons))


def _expected(recording: Recording, options: ChainOptions) -> int:
    """About how many images lie between start and stop, for a progress bar."""
    count, whole = recording.image_topic(options.image_topic).count, recording.duration
    begin, end = options.start or 0.0, whole if options.stop is None else min(options.stop, whole)
    return count if not whole or end - begin >= whole else round(count * max(0.0, end - begin) / whole)


def true_poses(recording: Recording, options: ChainOptions) -> tuple[Trajectory | None, str]:
    """Returns true poses, or None where there are none, and for people where they come from."""
    if options.truth and Path(options.truth).is_file():
        return read_trajectory(options.truth), f"the poses in {Path(options.truth).name}"
    guessed = truth_topic(recording.topics)
    wanted = options.truth or (guessed.name if guessed else None)
    return (recording.trajectory(wanted), f"the true poses on {wanted}") if wanted else (None, "")
