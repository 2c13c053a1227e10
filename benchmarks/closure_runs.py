"""What the benchmarks of loop closures share: described recordings, the detectors that are compared, the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.bags import Trajectory, open_recording
from a2gc_ros.extract import Extractor
from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig, LoopDetector
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.selection import KeyframeSelector, Spacing
from a2gc_ros.replay.ground_truth import GroundTruthPath, RevisitRule, revisiting

Array = npt.NDArray[np.float64]
Table = npt.NDArray[np.bool_]

RULE = RevisitRule(min_time_gap_s=30.0, min_travel_m=10.0)
ELSEWHERE_M = 30.0


@dataclass(frozen=True)
class Walk:
    """Keyframes of a recording in their order.

    Attributes:
        name: For people.
        frames: What the detector sees.
        descriptors: float32 (N, D).
        same: bool (N, N), whether two keyframes are near enough for a closure between them to be right.
        revisit: bool (N,), whether a keyframe shows a place that was there to be recognized.
        elsewhere: bool (N, N), whether two keyframes certainly show different places.
        truth: ``t_world_base`` of every keyframe; empty where it is not known.
        fingerprint: Of the extractor that gave the descriptors.
    """

    name: str
    frames: Sequence[Frame]
    descriptors: npt.NDArray[np.float32]
    same: Table
    revisit: npt.NDArray[np.bool_]
    elsewhere: Table
    truth: Sequence[Pose] = ()
    fingerprint: str = "f" * 64

    @property
    def trajectory(self) -> Trajectory:
        """The true poses with their stamps."""
        return Trajectory.from_poses(zip((f.stamp_ns for f in self.frames), self.truth, strict=True))


def town(path: Path, extractor: Extractor) -> Walk:
    """Reads the keyframes of a simulated recording."""
    selector = KeyframeSelector(Spacing())
    frames: list[Frame] = []
    poses: list[Pose] = []
    descriptors: list[npt.NDArray[np.float32]] = []
    with open_recording(path) as recording:
        truth = recording.trajectory(next(t.name for t in recording.topics if "truth" in t.name))
        for frame in recording.frames():
            true_pose = truth.interpolate(frame.stamp_ns)
            if frame.pose is None or true_pose is None:
                continue
            # With odometry the descriptor has no say in what is kept.
            if selector.select(frame.stamp_ns, frame.pose, np.zeros(1, np.float32)):
                frames.append(frame)
                poses.append(true_pose)
                descriptors.append(extractor.extract_one(frame.image))
    return walk_of(path.stem, frames, np.stack(descriptors), poses, extractor.spec.fingerprint)


def walk_of(
    name: str,
    frames: Sequence[Frame],
    descriptors: npt.NDArray[np.float32],
    poses: Sequence[Pose],
    fingerprint: str,
) -> Walk:
    """Judges a walk by true poses."""
    path = GroundTruthPath.from_poses([frame.stamp_ns for frame in frames], list(poses))
    gaps = np.linalg.norm(path.positions[:, None] - path.positions[None], axis=2)
    same, apart = gaps <= RULE.radius_m, gaps > ELSEWHERE_M
    return Walk(name, frames, descriptors, same, revisiting(path, (), RULE), apart, poses, fingerprint)


@dataclass
class Outcome:
    """What a detector found in a walk.

    Attributes:
        pairs: (query, keyframe, probability) of each closure, by number of keyframe.
        likeliest: The same of each keyframe's likeliest verified pair, given out or not.
        timings_ms: Of every keyframe, by stage.
    """

    pairs: list[tuple[int, int, float]] = field(default_factory=list)
    likeliest: list[tuple[int, int, float]] = field(default_factory=list)
    timings_ms: dict[str, list[float]] = field(default_factory=dict)

    def judged(self, walk: Walk) -> tuple[int, int, int]:
        """Returns closures, false ones, and revisits recognized."""
        return _judged(walk, [(q, k) for q, k, _ in self.pairs])

    def at_rate(self, walk: Walk, rate: float) -> tuple[int, int, int]:
        """Returns the same of what another largest probability of a false closure would have let out."""
        return _judged(walk, [(q, k) for q, k, probability in self.likeliest if 1 - probability <= rate])


def _judged(walk: Walk, kept: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    right = {q for q, k in kept if walk.same[q, k]}
    return len(kept), sum(not walk.same[q, k] for q, k in kept), sum(bool(walk.revisit[q]) for q in right)


class SharedViews(GeometricVerifier):
    """Finds the features of each frame once, for several verifiers.

    Args:
        config: Settings of the check.
        views: Features that were found, by stamp; new ones are added.
    """

    def __init__(self, config: LoopConfig, views: dict[int, View]) -> None:
        super().__init__(config)
        self._views = views

    def view_of_frame(self, frame: Frame) -> View:
        """Finds the features of a frame, or remembers them."""
        if frame.stamp_ns not in self._views:
            self._views[frame.stamp_ns] = super().view_of_frame(frame)
        return self._views[frame.stamp_ns]


def detect(
    walk: Walk,
    config: LoopConfig,
    verifier: GeometricVerifier,
    on_frame: Callable[[Frame, Detection], None] = lambda _frame, _detection: None,
) -> Outcome:
    """Runs the detector over a walk.

    Args:
        walk: The keyframes.
        config: Settings of the detector.
        verifier: Compares the views.
        on_frame: Called with every keyframe and what was detected with it.
    """
    outcome = Outcome()
    numbers = {frame.stamp_ns: at for at, frame in enumerate(walk.frames)}
    best: dict[int, tuple[int, float]] = {}
    with PlaceMap.create(":memory:", Manifest(walk.fingerprint, walk.descriptors.shape[1])) as live:
        detector = LoopDetector(config, live, verifier=verifier)
        for frame, descriptor in zip(walk.frames, walk.descriptors, strict=True):
            detection = detector.process(frame, descriptor)
            on_frame(frame, detection)
            decided = [*detection.decided, *(detector.waiting(frame.stamp_ns) if frame is walk.frames[-1] else ())]
            for pair in decided:
                if pair.probability is not None:
                    query, keyframe = numbers[pair.match.query_stamp_ns], numbers[pair.match.keyframe_stamp_ns]
                    if pair.probability > best.get(query, (0, 0.0))[1]:
                        best[query] = keyframe, pair.probability
            for stage, spent in detection.timings_ms.items():
                outcome.timings_ms.setdefault(stage, []).append(spent)
            for closure in detection.closures:
                match = closure.match
                pair = numbers[match.query_stamp_ns], numbers[match.keyframe_stamp_ns]
                outcome.pairs.append((*pair, closure.probability or 0.0))
    outcome.likeliest = [(query, keyframe, probability) for query, (keyframe, probability) in sorted(best.items())]
    return outcome


def words(walk: Walk, count: int = 1024) -> npt.NDArray[np.float32]:
    """Describes a walk by a bag of visual words: ORB, words drawn from its first quarter, tf-idf; float32 (N, count).

    The inverted index of a vocabulary of this size is a matrix; its cosines are those of the classic scheme
    (Galvez-Lopez and Tardos, IEEE T-RO 2012, with a flat vocabulary).
    """
    orb = cv2.ORB.create(500)
    found = [orb.detectAndCompute(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), None)[1] for frame in walk.frames]
    train = np.concatenate([d for d in found[: len(found) // 4] if d is not None])
    rng = np.random.default_rng(0)
    vocabulary = train[rng.choice(len(train), min(count, len(train)), replace=False)]
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    histogram = np.zeros((len(found), count), np.float32)
    for at, descriptors in enumerate(found):
        if descriptors is not None:
            for match in matcher.match(descriptors, vocabulary):
                histogram[at, match.trainIdx] += 1
    rarity = np.log(len(found) / np.maximum((histogram > 0).sum(axis=0), 1))
    weighted = histogram * rarity
    return np.asarray(weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-9), np.float32)


def recall_in_hindsight(descriptors: npt.NDArray[np.float32], walk: Walk, admissible: Table) -> int:
    """Counts revisits that best matches recognize at the lowest threshold that lets nothing false through.

    No method could know this threshold before; it is the best a fixed one can do on this very walk.
    """
    table = np.where(admissible, descriptors @ descriptors.T, -np.inf)
    best, score = table.argmax(axis=1), table.max(axis=1)
    asked = np.isfinite(score)
    right = walk.same[np.arange(len(best)), best]
    worst = score[asked & ~right].max(initial=-1.0)
    return int((asked & right & walk.revisit & (score > worst)).sum())
