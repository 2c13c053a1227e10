"""Wall time of the stages of a detection."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from a2gc_ros.loops.results import Detection


@contextlib.contextmanager
def timed(detection: Detection, stage: str) -> Iterator[None]:
    """Notes how many milliseconds a stage took."""
    begin = time.perf_counter()
    yield
    detection.timings_ms[stage] = (time.perf_counter() - begin) * 1e3
