from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.nodes.base.run_statistics import WINDOW, Statistics


def test_nothing_is_known_before_anything_happened():
    snapshot = Statistics().snapshot()
    assert (snapshot.received, snapshot.processed, snapshot.rate_hz, snapshot.age_ms) == (0, 0, None, None)
    assert snapshot.latency_ms == {}


def test_rate_and_percentiles_are_of_the_last_images():
    statistics = Statistics()
    latencies = np.random.default_rng(0).uniform(1, 100, 3 * WINDOW)
    for number, latency in enumerate(latencies):
        statistics.finish(number * 0.25, latency, 7.0, {"extract": 2 * latency})
    snapshot = statistics.snapshot()
    last = latencies[-WINDOW:]
    assert snapshot.processed == 3 * WINDOW
    assert snapshot.rate_hz == pytest.approx(4.0)
    assert [snapshot.latency_ms[p] for p in ("p50", "p95", "p99")] == pytest.approx(
        list(np.percentile(last, (50, 95, 99)))
    )
    assert snapshot.stages_ms["extract"] == pytest.approx(2 * np.median(last))
    assert snapshot.age_ms == 7.0


def test_failures_are_counted_by_reason():
    statistics = Statistics()
    statistics.count("received", 3)
    for reason, sentence in (("image", "first"), ("odometry", "second"), ("image", "third")):
        statistics.fail(reason, sentence)
    snapshot = statistics.snapshot()
    assert snapshot.failed == {"image": 2, "odometry": 1}
    assert (snapshot.last_failure, snapshot.received) == ("third", 3)
