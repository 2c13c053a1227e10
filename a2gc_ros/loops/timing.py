"""Wall time of the stages of a detection, and its limit."""

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


class Budget:
    """Wall time that may be spent on one keyframe.

    Args:
        ms: Milliseconds; 0 for as many as it takes.
    """

    def __init__(self, ms: float) -> None:
        self._ms = ms
        self.start()

    def start(self) -> None:
        """Begins to count anew."""
        self._begin = time.perf_counter()

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._ms > 0 and (time.perf_counter() - self._begin) * 1e3 >= self._ms
