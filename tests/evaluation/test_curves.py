from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.evaluation.curves import Curve, precision_recall


def test_the_worked_example_of_scikit_learn() -> None:
    # sklearn.metrics.average_precision_score, documentation: y_true 0 0 1 1, y_scores 0.1 0.4 0.35 0.8 give 0.83.
    ranked = [(0.1, False, False), (0.4, False, False), (0.35, True, True), (0.8, True, True)]
    curve = precision_recall(ranked, 2)
    assert curve.average_precision == pytest.approx(0.8333, abs=1e-4)
    # precision_recall_curve, same numbers, as the threshold falls.
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert curve.recall == pytest.approx([0.5, 0.5, 1, 1])


@pytest.mark.parametrize(
    ("right", "positives", "at_100", "at_99", "extended"),
    [
        # The first three of five right matches come before the first wrong one: (1 + 3/5) / 2.
        ([True, True, True, False, True, True], 5, 0.6, 0.6, 0.8),
        # The most confident match is wrong: nothing is left at full precision, and P_R0 is 0.
        ([False, True, True], 3, 0.0, 0.0, 0.0),
        ([True] * 150 + [False] + [True] * 50, 200, 0.75, 1.0, 0.875),
    ],
)
def test_recall_at_full_precision_and_extended_precision(
    right: list[bool], positives: int, at_100: float, at_99: float, extended: float
) -> None:
    ranked = [(1 - 0.001 * rank, hit, True) for rank, hit in enumerate(right)]
    curve = precision_recall(ranked, positives)
    assert curve.recall_at_precision(1.0) == pytest.approx(at_100)
    assert curve.recall_at_precision(0.99) == pytest.approx(at_99)
    assert curve.extended_precision == pytest.approx(extended)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.booleans()), min_size=1, max_size=30), st.randoms())
def test_the_curve_agrees_with_counting_at_every_threshold(entries, random) -> None:
    ranked = [(level / 10, right, revisit) for level, right, revisit in entries]
    positives = max(1, sum(revisit for _, _, revisit in entries))
    random.shuffle(ranked)
    curve = precision_recall(ranked, positives)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        above = [entry for entry in ranked if entry[0] >= threshold]
        assert precision == pytest.approx(sum(right for _, right, _ in above) / len(above))
        assert recall == pytest.approx(sum(right and revisit for _, right, revisit in above) / positives)
    assert curve.thresholds.tolist() == sorted({entry[0] for entry in ranked}, reverse=True)


def test_no_curve_has_no_area() -> None:
    empty = Curve(np.empty(0), np.empty(0), np.empty(0))
    assert math.isnan(empty.average_precision)
    assert math.isnan(empty.extended_precision)
