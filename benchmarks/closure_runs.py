"""What the benchmarks of loop closures share: described recordings, the detectors that are compared, the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector, Verification
from a2gc_ros.loops.impostor_tail import ImpostorTail
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.placemap import Manifest, PlaceMap

Array = npt.NDArray[np.float64]
Table = npt.NDArray[np.bool_]

FIXED = LoopConfig(threshold=0.6, max_false_positive_rate=1.0, min_agreeing=1, min_inliers=30, min_inlier_ratio=0.75)
"""The same detector with a threshold that somebody guessed, and geometry strict enough to make up for it."""


@dataclass(frozen=True)
class Walk:
    """Keyframes of a recording in their order.

    Attributes:
        name: For people.
        frames: What the detector sees.
        descriptors: float32 (N, D).
        same: bool (N, N), whether two keyframes are near enough for a closure between them to be right.
        revisit: bool (N,), whether a keyframe shows a place that was there to be recognised.
        elsewhere: bool (N, N), whether two keyframes certainly show different places.
    """

    name: str
    frames: Sequence[Frame]
    descriptors: npt.NDArray[np.float32]
    same: Table
    revisit: npt.NDArray[np.bool_]
    elsewhere: Table


@dataclass
class Outcome:
    """What a detector found in a walk.

    Attributes:
        pairs: (query, keyframe, probability) of each closure, by number of keyframe.
        tails: The live map's calibration when each keyframe was worked on.
        timings_ms: Of every keyframe, by stage.
    """

    pairs: list[tuple[int, int, float]] = field(default_factory=list)
    tails: list[ImpostorTail] = field(default_factory=list)
    timings_ms: dict[str, list[float]] = field(default_factory=dict)

    def judged(self, walk: Walk, least: float = 0.0) -> tuple[int, int, int]:
        """Returns closures, false ones, and revisits recognised, of closures at least so probable."""
        kept = [(q, k) for q, k, probability in self.pairs if probability >= least]
        right = {q for q, k in kept if walk.same[q, k]}
        return len(kept), sum(not walk.same[q, k] for q, k in kept), sum(bool(walk.revisit[q]) for q in right)


class RememberingVerifier(GeometricVerifier):
    """Makes each check once, for several detectors over the same frames; their settings only judge the counts."""

    def __init__(self, config: LoopConfig) -> None:
        super().__init__(config)
        self._views: dict[int, View] = {}
        self._checks: dict[tuple[int, int], Verification] = {}
        self._pending: tuple[int, int] = (0, 0)
        self.judge = config

    def view_of_frame(self, frame: Frame) -> View:
        """Finds the features of a frame, or remembers them."""
        self._pending = (frame.stamp_ns, 0)
        if frame.stamp_ns not in self._views:
            self._views[frame.stamp_ns] = super().view_of_frame(frame)
        return self._views[frame.stamp_ns]

    def view_of_keyframe(self, place_map: PlaceMap, keyframe_id: int) -> View | None:
        """Returns a keyframe's features, for the check that comes next."""
        self._pending = (self._pending[0], keyframe_id)
        return super().view_of_keyframe(place_map, keyframe_id)

    def verify(self, query: View, keyframe: View | None) -> Verification:
        """Makes the check, or remembers it, and judges it by the detector's settings."""
        if self._pending not in self._checks:
            self._checks[self._pending] = super().verify(query, keyframe)
        found = self._checks[self._pending]
        enough = found.inliers >= max(self.judge.min_inliers, self.judge.min_inlier_ratio * found.matches)
        return found if enough else Verification(False, found.inliers, found.matches, reason="too few inliers")


def detect(walk: Walk, config: LoopConfig, verifier: RememberingVerifier | None = None) -> Outcome:
    """Runs the detector over a walk."""
    outcome = Outcome()
    numbers = {frame.stamp_ns: at for at, frame in enumerate(walk.frames)}
    if verifier is not None:
        verifier.judge = config
    with PlaceMap.create(":memory:", Manifest("f" * 64, walk.descriptors.shape[1])) as live:
        detector = LoopDetector(config, live, verifier=verifier)
        for frame, descriptor in zip(walk.frames, walk.descriptors, strict=True):
            detection = detector.process(frame, descriptor)
            outcome.tails.append(detector.calibrations[0].tail)
            for stage, spent in detection.timings_ms.items():
                outcome.timings_ms.setdefault(stage, []).append(spent)
            for closure in detection.closures:
                match = closure.match
                pair = numbers[match.query_stamp_ns], numbers[match.keyframe_stamp_ns]
                outcome.pairs.append((*pair, closure.probability or 0.0))
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
    """Counts revisits that best matches recognise at the lowest threshold that lets nothing false through.

    No method could know this threshold before; it is the best a fixed one can do on this very walk.
    """
    table = np.where(admissible, descriptors @ descriptors.T, -np.inf)
    best, score = table.argmax(axis=1), table.max(axis=1)
    asked = np.isfinite(score)
    right = walk.same[np.arange(len(best)), best]
    worst = score[asked & ~right].max(initial=-1.0)
    return int((asked & right & walk.revisit & (score > worst)).sum())
