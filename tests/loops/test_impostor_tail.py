"""The tail of the impostors: a probability, monotone, and as large as what then happens."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.loops.impostor_tail import MIN_QUERIES, ImpostorTail, fit, prior
from a2gc_ros.placemap.impostors import Impostor

Array = npt.NDArray[np.float64]


def maxima(rng: np.random.Generator, queries: int, keyframes: int, shape: float = -0.1) -> Array:
    """Draws each query's largest similarity among so many independent impostors."""
    uniform = rng.random(queries) ** (1 / keyframes)
    survival = 1 - uniform
    # Similarities of single impostors: generalized Pareto above 0.1.
    return np.asarray(0.1 + 0.03 * (survival ** (-shape) - 1) / shape)


def fitted(seed: int, queries: int = 400, keyframes: int = 200, shape: float = -0.1) -> ImpostorTail:
    return fit([Impostor(float(m), keyframes) for m in maxima(np.random.default_rng(seed), queries, keyframes, shape)])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.05])
@pytest.mark.parametrize("larger", [1, 10], ids=["the same map", "ten times the map"])
@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001])
def test_the_realised_rate_is_the_requested_one(rate: float, larger: int, shape: float) -> None:
    """On average over maps it is never much larger, and not much smaller where the data reach that far."""
    realized = []
    for seed in range(12):
        threshold = fitted(seed, shape=shape).threshold(rate, 200 * larger)
        fresh = maxima(np.random.default_rng(1000 + seed), 50_000, 200 * larger, shape)
        realized.append(float((fresh >= threshold).mean()))
    assert np.mean(realized) < 2 * rate
    if rate / larger >= 0.01:
        assert np.mean(realized) > rate / 2


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 10_000)), min_size=0, max_size=60),
    st.lists(st.floats(-1, 1), min_size=2, max_size=8),
    st.integers(1, 1_000_000),
)
def test_it_is_a_probability_that_falls_with_the_similarity(
    seen: list[tuple[float, int]], similarities: list[float], keyframes: int
) -> None:
    tail = fit([Impostor(similarity, compared) for similarity, compared in seen])
    values = [tail.false_match(similarity, keyframes) for similarity in sorted(similarities)]
    assert all(0 <= value <= 1 for value in values)
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(values))
    low, high = tail.false_match_interval(max(similarities), keyframes)
    assert 0 <= low <= high <= 1


@given(st.floats(0.6, 0.95), st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_keyframes_make_a_false_match_likelier(similarity: float, few: int, more: int) -> None:
    tail = fitted(0)
    few, more = sorted((few, more))
    assert tail.false_match(similarity, few) <= tail.false_match(similarity, more) + 1e-12


def test_little_data_make_a_heavier_tail() -> None:
    widths = []
    for queries in (25, 100, 1000):
        thresholds = [fitted(seed, queries).threshold(1e-4, 200) for seed in range(10)]
        widths.append(float(np.mean(thresholds)))
    assert widths[0] > widths[1] > widths[2]
    similarity = fitted(0).threshold(0.01, 200)
    low, high = fitted(0, 25).false_match_interval(similarity, 200)
    sure_low, sure_high = fitted(0, 1000).false_match_interval(similarity, 200)
    assert sure_high - sure_low < high - low


def test_before_anything_was_seen_the_stated_prior_speaks() -> None:
    tail = fit([Impostor(0.5, 100)] * (MIN_QUERIES - 1))
    assert tail.queries == 0
    assert tail.false_match(0.7, 100) == pytest.approx(0.2, abs=0.02)
    assert tail.false_match(0.6, 100) == 1.0
    assert tail.false_match(0.9, 100) < 0.05
    assert prior().effective == 0


@pytest.mark.parametrize("similarity", [-1.0, 0.0, 1.0])
def test_impostors_that_are_all_alike_still_give_a_law(similarity: float) -> None:
    tail = fit([Impostor(similarity, 50)] * 40)
    assert 0 <= tail.false_match(0.9, 100) <= 1
    assert np.isfinite([tail.rate, tail.scale, tail.density(1.0)]).all()


def test_queries_that_repeat_their_neighbours_count_for_less() -> None:
    values = maxima(np.random.default_rng(0), 100, 200)
    once = fit([Impostor(float(m), 200) for m in values])
    repeated = fit([Impostor(float(m), 200) for m in values for _ in range(5)])
    assert repeated.queries == 5 * once.queries
    assert repeated.effective == pytest.approx(once.effective, rel=0.35)


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.0, 0.1), (0.5, 0.35, 0.65), (1.0, 0.9, 1.0)])
def test_how_long_look_alikes_last_is_learned(share: float, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    values = maxima(rng, 400, 200)
    again = rng.random(400) < share
    rows = [Impostor(float(m), 200, 0.99 if a else 0.1) for m, a in zip(values, again, strict=True)]
    assert low <= fit(rows).persistence <= high


def test_the_density_is_that_of_the_survival() -> None:
    tail = fitted(3)
    grid = np.linspace(tail.level, 1.0, 4001)
    density = np.array([tail.density(float(s)) for s in grid])
    assert float((density[:-1] * np.diff(grid)).sum()) == pytest.approx(1.0, abs=0.01)
    assert tail.density(tail.level - 0.01) == 0
