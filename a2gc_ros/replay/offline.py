"""The chain over a recording without ROS, as fast as it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopDetector, Preparation
from a2gc_ros.loops.results import ComparedPair, LoopClosure, Verification
from a2gc_ros.replay.records import Answer, ClosureRecord, PairRecord, RunRecord, by_query, rows_of

NOT_CHECKED: Final = "no pose: the geometric check is switched off"


def run_offline(
    frames: Iterable[Frame],
    extractor: Extractor,
    detector: LoopDetector,
    on_frame: Callable[[Frame, Detection], None] = lambda _frame, _detection: None,
    *,
    ahead: int = 1,
) -> RunRecord:
    """Works on every frame in turn, exactly as the live node does.

    While one frame is looked at, features of the next one are found and one after it is described; that changes no
    result.

    Args:
        frames: In the order of their stamps.
        extractor: Gives the descriptors.
        detector: Holds the live map and the loaded ones.
        on_frame: Called after each frame, for a progress bar.
        ahead: How far frames are prepared ahead, as :meth:`Preparation.ahead` counts it; 0 takes one after the other.
    """
    answers = []
    for prepared in Preparation(detector, extractor.extract_one).ahead(frames, steps=ahead):
        begin, frame = time.perf_counter(), prepared.frame
        detection = detector.process(frame, prepared.descriptor, prepared.view)
        spent_ms = (time.perf_counter() - begin) * 1e3 + sum(prepared.timings_ms.values())
        closures, pairs = closure_records(detection), pair_records(detection.decided)
        answers.append(Answer(frame.stamp_ns, spent_ms, closures, pairs))
        on_frame(frame, detection)
    if answers:
        last = answers[-1]
        answers[-1] = replace(last, pairs=last.pairs + pair_records(detector.waiting(last.stamp_ns)))
    return RunRecord("offline", extractor.spec.name, extractor.backend, by_query(answers))


def closure_records(detection: Detection) -> tuple[tuple[int, ClosureRecord], ...]:
    """Returns the closures that came with a detection, each with the stamp of the image that it is about."""
    return tuple((closure.match.query_stamp_ns, _record(closure)) for closure in detection.closures)


def _record(closure: LoopClosure) -> ClosureRecord:
    match, checked = closure.match, closure.verification or Verification(False, reason=NOT_CHECKED)
    return ClosureRecord(
        keyframe_stamp_ns=match.keyframe_stamp_ns,
        map_index=match.map_index,
        similarity=match.similarity,
        inliers=checked.inliers,
        verified=checked.verified,
        probability=math.nan if closure.probability is None else closure.probability,
        relative_pose=rows_of(checked.relative_pose),
        scale_known=checked.scale_known,
        covariance=rows_of(checked.covariance),
        reason=checked.reason,
        held_s=closure.held_s,
    )


def pair_records(pairs: Iterable[ComparedPair]) -> tuple[tuple[int, PairRecord], ...]:
    """Returns compared pairs, each with the stamp of the image that it is about."""
    return tuple((pair.match.query_stamp_ns, _pair_record(pair)) for pair in pairs)


def _pair_record(pair: ComparedPair) -> PairRecord:
    return PairRecord(
        keyframe_stamp_ns=pair.match.keyframe_stamp_ns,
        map_index=pair.match.map_index,
        rank=pair.rank,
        similarity=pair.match.similarity,
        matches=pair.matches,
        inliers=pair.inliers,
        coverage=pair.coverage,
        stage=pair.stage.value,
        reason=pair.reason,
        probability=math.nan if pair.probability is None else pair.probability,
        share=pair.share,
        advance=pair.advance,
        length=pair.length,
        held_s=pair.held_s,
    )
