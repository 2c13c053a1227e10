"""Verified pairs wait for later queries, are given out with their own stamps or dropped, and each is told of once."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection

import numpy as np
import pytest

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig, LoopDetector, Verification
from a2gc_ros.loops.by_geometry import Budget
from a2gc_ros.loops.evidence import EvidenceModel
from a2gc_ros.loops.results import ComparedPair, Stage
from a2gc_ros.loops.verification import Comparison, GeometricVerifier, View
from a2gc_ros.loops.verification.features import LocalFeatures
from a2gc_ros.loops.verification.views import view_of
from a2gc_ros.placemap import Manifest, PlaceMap

PLACES = 60
BLANK = np.zeros((8, 8, 3), np.uint8)
LAW = EvidenceModel(
    intercept=-20.0, share=15.0, coverage=0.0, advance=0.0, length=8.0, doubt=0.0, most_coverage=0.5, most_advance=0.3
)
"""Five of a kind are sure to a thousandth."""

CONFIG = LoopConfig(
    max_false_positive_rate=0.001,
    min_agreeing=1,
    hold_keyframes=6,
    min_time_gap_s=30.0,
    store_images=False,
    keyframe_similarity=1.0,
)


class Scripted(GeometricVerifier):
    """Compares places by their numbers instead of pictures.

    Args:
        agree: Tells whether two places agree.
        elsewhere: Places whose pose contradicts the map.
    """

    def __init__(self, agree: Callable[[int, int], bool], elsewhere: Collection[int] = ()) -> None:
        super().__init__(CONFIG)
        self._agree = agree
        self._elsewhere = elsewhere

    def view_of_frame(self, frame: Frame) -> View:
        """Returns a view whose width is the place."""
        nothing = LocalFeatures(np.empty((0, 2)), np.empty((0, 128), np.float32), 1 + place_at(frame.stamp_ns), 1)
        return view_of(nothing, None)

    def view_of_keyframe(self, place_map: PlaceMap, keyframe_id: int) -> View:
        """Returns the view that the keyframe was stored with."""
        return self.view_of_frame(Frame(place_map.keyframe(keyframe_id).stamp_ns, BLANK))

    def compare(self, query: View, keyframe: View | None) -> Comparison:
        """Says what the script says."""
        assert keyframe is not None
        some = np.zeros((50, 2), np.int64)
        if self._agree(query.features.width - 1, keyframe.features.width - 1):
            return Comparison(some, some, 0.5)
        return Comparison(some, some[:5], 0.1, reason="too few inliers")

    def locate(self, query: View, keyframe: View | None, comparison: Comparison) -> Verification:
        """Verifies all but what lies elsewhere."""
        contradicts = query.features.width - 1 in self._elsewhere
        reason = "known to be elsewhere" if contradicts else "no pose"
        return Verification(not contradicts, comparison.inliers, comparison.matches, reason=reason)


def place_at(stamp_ns: int) -> int:
    """The first time round the places in order, the second time from number ten."""
    second = stamp_ns // 10**9
    return second if second < PLACES else 10 + second - PLACES


def run(verifier: Scripted, seconds: int = 25, **settings: object) -> tuple[list[Detection], list[ComparedPair]]:
    """Drives along the places, and some of them again."""
    detections = []
    with PlaceMap.create(":memory:", Manifest("f" * 64, PLACES)) as live:
        detector = LoopDetector(dataclasses.replace(CONFIG, **settings), live, verifier=verifier, model=LAW)
        for second in range(PLACES + seconds):
            frame = Frame(second * 10**9, BLANK)
            place = np.abs(np.arange(PLACES) - place_at(frame.stamp_ns))
            descriptor = np.exp(-(place**2) / 2).astype(np.float32)
            detections.append(detector.process(frame, descriptor / np.linalg.norm(descriptor)))
        waiting = detector.waiting(detections[-1].stamp_ns)
    return detections, [pair for d in detections for pair in d.decided] + waiting


def given_out(detections: list[Detection]) -> dict[int, float]:
    """Returns by place how many seconds each closure was held."""
    found = {}
    for detection in detections:
        for closure in detection.closures:
            query, keyframe = (place_at(s) for s in (closure.match.query_stamp_ns, closure.match.keyframe_stamp_ns))
            assert query == keyframe
            assert closure.held_s == (detection.stamp_ns - closure.match.query_stamp_ns) / 1e9
            assert query not in found
            found[query] = closure.held_s
    return found


def same(a: int, b: int) -> bool:
    return a == b


def test_pairs_wait_until_others_agree_and_go_out_with_their_own_stamps() -> None:
    detections, _ = run(Scripted(same))
    # Five are sure at once. Three poses are found with that keyframe, and three with the next.
    assert given_out(detections) == {10: 4, 11: 3, 12: 2, 13: 2, 14: 1} | dict.fromkeys(range(15, 35), 0)
    assert [len(d.verifications) for d in detections if d.verifications] == [3, 3] + [1] * 19


def test_nothing_late_is_given_out_where_nothing_may_wait() -> None:
    detections, _ = run(Scripted(same), hold_keyframes=0)
    assert given_out(detections) == dict.fromkeys(range(14, 35), 0)


def test_pairs_that_stand_alone_are_dropped() -> None:
    detections, pairs = run(Scripted(lambda a, b: a == b and a % 5 == 0))
    assert not given_out(detections)
    dropped = [pair for pair in pairs if pair.stage is Stage.VERIFIED]
    assert {place_at(pair.match.query_stamp_ns) for pair in dropped} == {10, 15, 20, 25, 30}
    assert all(pair.reason and pair.length <= 3 and (pair.probability or 1) < 0.999 for pair in dropped)
    assert dropped[0].held_s == CONFIG.hold_keyframes


def test_a_pose_that_contradicts_the_map_refutes_the_pair_and_supports_nothing() -> None:
    detections, pairs = run(Scripted(same, elsewhere=[13, 14]))
    found = given_out(detections)
    assert not {13, 14} & set(found)
    assert set(range(18, 35)) <= set(found)
    refuted = [pair for pair in pairs if place_at(pair.match.query_stamp_ns) in (13, 14) and pair.stage is Stage.SURE]
    assert [pair.reason for pair in refuted] == ["known to be elsewhere"] * 2


def test_of_one_query_the_best_pair_is_given_out() -> None:
    detections, pairs = run(Scripted(lambda a, b: abs(a - b) <= 1))
    assert len(given_out(detections)) == 25
    others = [pair for pair in pairs if pair.stage is Stage.SURE]
    assert others
    assert {pair.reason for pair in others} == {"another keyframe of the same place was taken"}


@pytest.mark.parametrize("agree", [same, lambda a, b: abs(a - b) <= 1, lambda a, b: False])
def test_every_compared_pair_is_told_of_once(agree: Callable[[int, int], bool]) -> None:
    detections, pairs = run(Scripted(agree))
    compared = Counter((m.query_stamp_ns, m.keyframe_id) for d in detections for m in d.candidates)
    assert Counter((pair.match.query_stamp_ns, pair.match.keyframe_id) for pair in pairs) == compared
    out = Counter(c.match.query_stamp_ns for d in detections for c in d.closures)
    assert Counter(p.match.query_stamp_ns for p in pairs if p.stage is Stage.GIVEN_OUT) == out


def test_without_time_one_pair_is_compared_and_one_pose_found_a_keyframe_and_the_rest_waits() -> None:
    detections, pairs = run(Scripted(same), max_verification_ms=1e-6)
    assert max(len(d.candidates) for d in detections) == 1
    assert max(len(d.verifications) for d in detections) == 1
    # What cannot be caught up with is let go: nothing waits longer than a pair may.
    assert 0 < max(d.postponed for d in detections) <= CONFIG.max_verifications * (CONFIG.hold_keyframes + 1)
    assert any(pair.reason == "no time was left for it" for pair in pairs)
    counts = Counter((pair.match.query_stamp_ns, pair.match.keyframe_id) for pair in pairs)
    assert set(counts.values()) == {1}
    found = given_out(detections)
    # Five were sure at once, and one pose was found with each keyframe from then on.
    assert set(range(16, 31)) <= set(found)


def test_what_had_no_time_is_compared_with_the_next_keyframe() -> None:
    unlimited, _ = run(Scripted(same))
    budgets = iter(range(10**6))
    detections, pairs = run(Scripted(same), max_verification_ms=1e6)
    assert given_out(detections) == given_out(unlimited)
    assert not any(d.postponed for d in detections)
    with pytest.MonkeyPatch.context() as patch:
        # Every other keyframe has no time.
        patch.setattr(Budget, "spent", property(lambda self: self.turn % 2 == 0))
        patch.setattr(Budget, "turn", 0, raising=False)
        patch.setattr(Budget, "start", lambda self: setattr(self, "turn", next(budgets)))
        detections, pairs = run(Scripted(same))
    decided = {(p.match.query_stamp_ns, p.match.keyframe_id): d.stamp_ns for d in detections for p in d.decided}
    refused = [p for p in pairs if p.stage is Stage.COMPARED]
    assert {p.held_s for p in refused} == {0.0, 1.0}
    for p in refused:
        assert p.held_s * 1e9 == decided[p.match.query_stamp_ns, p.match.keyframe_id] - p.match.query_stamp_ns
    late = [m for d in detections for m in d.candidates if m.query_stamp_ns != d.stamp_ns]
    assert late
    assert set(given_out(detections)) == set(given_out(unlimited))
    assert not any(pair.reason == "no time was left for it" for pair in pairs)


def test_what_waits_when_the_clock_steps_back_is_told_of() -> None:
    with PlaceMap.create(":memory:", Manifest("f" * 64, PLACES)) as live:
        detector = LoopDetector(CONFIG, live, verifier=Scripted(same), model=LAW)
        for second in [*range(PLACES), PLACES, PLACES + 1, 0]:
            descriptor = np.eye(PLACES, dtype=np.float32)[place_at(second * 10**9)]
            detection = detector.process(Frame(second * 10**9, BLANK), descriptor)
    assert [place_at(p.match.query_stamp_ns) for p in detection.decided if p.stage is Stage.VERIFIED] == [10, 11]
