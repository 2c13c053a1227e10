"""The chain over a recording without ROS, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopDetector
from a2gc_ros.replay.records import ClosureRecord, QueryRecord, RunRecord


def run_offline(
    frames: Iterable[Frame],
    extractor: Extractor,
    detector: LoopDetector,
    on_frame: Callable[[Frame, Detection], None] = lambda _frame, _detection: None,
) -> RunRecord:
    """Works on every frame in turn, one at a time, exactly as the live node does.

    Args:
        frames: In the order of their stamps.
        extractor: Gives the descriptors.
        detector: Holds the live map and the loaded ones.
        on_frame: Called after each frame, for a progress bar.
    """
    queries = []
    for frame in frames:
        begin = time.perf_counter()
        detection = detector.process(frame, extractor.extract_one(frame.image))
        queries.append(QueryRecord(frame.stamp_ns, closure_records(detection), (time.perf_counter() - begin) * 1e3))
        on_frame(frame, detection)
    return RunRecord("offline", extractor.spec.name, extractor.backend, tuple(queries))


def closure_records(detection: Detection) -> tuple[ClosureRecord, ...]:
    """Returns the accepted candidates of a detection, best first."""
    return tuple(
        ClosureRecord(
            keyframe_stamp_ns=closure.match.keyframe_stamp_ns,
            map_index=closure.match.map_index,
            similarity=closure.match.similarity,
            inliers=closure.verification.inliers if closure.verification else 0,
            verified=closure.verification is not None and closure.verification.verified,
        )
        for closure in detection.closures
    )
