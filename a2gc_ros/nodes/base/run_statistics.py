"""What the node counts while it runs: images in and out, why some were not used, and how long the work took."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WINDOW = 200
"""Images over which rates and percentiles are taken."""


@dataclass(frozen=True)
class Snapshot:
    """The counts at one moment.

    Attributes:
        received: Images that reached the node.
        processed: Images that were recognized.
        skipped: Images replaced by a newer one before the worker came to them.
        passed_over: Images not used on purpose: the rate limit.
        old: Images whose stamp is not newer than that of one before, or that have none.
        stepped_back: How often the stamps fell back so far that a new session began.
        failed: Messages that are no image, by reason.
        closures: Accepted candidates against the live session.
        relocalizations: Accepted candidates against loaded maps.
        postponed: Comparisons and poses for which a keyframe's time did not suffice, each time that it did not.
        unposed: Relocalizations that told no pose.
        last_unposed: Why the newest of them did not.
        rate_hz: Processed images per second over the last ones; None before there are two.
        latency_ms: p50, p95 and p99 from arrival to published result; empty before there is one.
        stages_ms: Median of every stage of the work.
        age_ms: How old the newest processed image was when its result was published, by the node's clock.
        last_failure: The newest sentence about a failed message.
        last_failures: The newest sentence of each reason.
    """

    received: int = 0
    processed: int = 0
    skipped: int = 0
    passed_over: int = 0
    old: int = 0
    stepped_back: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    closures: int = 0
    relocalizations: int = 0
    postponed: int = 0
    unposed: int = 0
    last_unposed: str = ""
    rate_hz: float | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    age_ms: float | None = None
    last_failure: str = ""
    last_failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Period:
    """From one report to the next.

    Attributes:
        now: The counts at its end.
        before: The counts at its begin.
    """

    now: Snapshot = Snapshot()
    before: Snapshot = Snapshot()

    def more(self, name: str) -> int:
        """Returns by how much a count has grown."""
        return int(getattr(self.now, name) - getattr(self.before, name))

    def failed(self, reason: str) -> int:
        """Returns how many messages failed for a reason."""
        return self.now.failed.get(reason, 0) - self.before.failed.get(reason, 0)


class Statistics:
    """Counts from any thread; `snapshot` reads them all at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._finished_s: deque[float] = deque(maxlen=WINDOW)
        self._latency_ms: deque[float] = deque(maxlen=WINDOW)
        self._stages_ms: dict[str, deque[float]] = {}
        self._newest: dict[str, Any] = {}
        self._last_failures: dict[str, str] = {}
        self._unposed_reasons: set[str] = set()

    def count(self, what: str, by: int = 1) -> None:
        """Adds to a count of :class:`Snapshot`."""
        with self._lock:
            self._counts[what] += by

    def fail(self, reason: str, sentence: str) -> None:
        """Counts a message that could not be used, under a short name, and keeps the sentence about it."""
        with self._lock:
            self._failed[reason] += 1
            self._newest["last_failure"] = self._last_failures[reason] = sentence

    def without_pose(self, reason: str) -> bool:
        """Counts a relocalization that told no pose; says whether this reason is new."""
        with self._lock:
            self._counts["unposed"] += 1
            self._newest["last_unposed"] = reason
            new = reason not in self._unposed_reasons
            self._unposed_reasons.add(reason)
            return new

    def finish(
        self, finished_s: float, latency_ms: float, age_ms: float | None, stages_ms: Mapping[str, float]
    ) -> None:
        """Notes one processed image.

        Args:
            finished_s: Monotonic time of the end of the work.
            latency_ms: From arrival of the message to the published result.
            age_ms: From the header stamp to the published result by the node's clock; None without a clock.
            stages_ms: Duration of every stage.
        """
        with self._lock:
            self._counts["processed"] += 1
            self._finished_s.append(finished_s)
            self._latency_ms.append(latency_ms)
            self._newest["age_ms"] = age_ms
            for name, value in stages_ms.items():
                self._stages_ms.setdefault(name, deque(maxlen=WINDOW)).append(value)

    def snapshot(self) -> Snapshot:
        """Returns everything counted so far."""
        with self._lock:
            percentiles = (50, 95, 99) if self._latency_ms else ()
            span = self._finished_s[-1] - self._finished_s[0] if len(self._finished_s) > 1 else 0.0
            return Snapshot(
                **{**self._counts, **self._newest},
                failed=dict(self._failed),
                rate_hz=(len(self._finished_s) - 1) / span if span > 0 else None,
                latency_ms={f"p{p}": float(np.percentile(self._latency_ms, p)) for p in percentiles},
                stages_ms={name: float(np.median(values)) for name, values in self._stages_ms.items()},
                last_failures=dict(self._last_failures),
            )
