from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.recall import recall
from a2gc_ros.evaluation.search import search


def positions(*groups: list[int]) -> list[np.ndarray]:
    return [np.array(group, np.int64) for group in groups]


def test_a_worked_example() -> None:
    ranked = np.array([[3, 1, 0], [0, 1, 2], [2, 0, 1], [1, 2, 3]])
    outcome = recall(ranked, positions([3], [2], [], [0]), (1, 2, 3))
    # Query 1 finds at once, query 2 with its third, query 3 has nothing to find, query 4 does not find.
    assert [outcome.at(k) for k in (1, 2, 3)] == [0.25, 0.25, 0.5]
    assert outcome.answerable.tolist() == [True, True, False, True]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_search_and_recall_agree_with_a_naive_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, database = (rng.standard_normal((n, 6)).astype(np.float32) for n in (7, 15))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    ignored = [np.flatnonzero(rng.random(15) < 0.3) for _ in queries]
    right = [np.flatnonzero(rng.random(15) < 0.15) for _ in queries]
    ranked = search(queries, database, 5, ignored).rows
    outcome = recall(ranked, right, (1, 3, 5))
    for number, query in enumerate(queries):
        order = sorted(set(range(15)) - set(ignored[number].tolist()), key=lambda i: -float(query @ database[i]))
        assert ranked[number].tolist() == (order + [-1] * 5)[:5]
        for column, k in enumerate((1, 3, 5)):
            assert outcome.hits[number, column] == any(i in right[number] for i in order[:k])
    for column, k in enumerate((1, 3, 5)):
        assert outcome.at(k) == pytest.approx(outcome.hits[:, column].sum() / 7)


def test_search_fills_up_with_minus_one() -> None:
    one = np.ones((1, 1), np.float32)
    assert search(one, np.ones((3, 1), np.float32), 4, positions([0, 2])).rows.tolist() == [[1, -1, -1, -1]]
    assert search(one, one, 2).rows.tolist() == [[0, -1]]


def test_the_interval_is_that_of_a_proportion() -> None:
    hits = np.arange(400) % 4 == 0
    outcome = recall(np.where(hits, 0, 1)[:, None], positions(*[[0]] * 400), (1,))
    interval = outcome.interval(1)
    spread = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert interval.value == 0.25
    assert interval.low == pytest.approx(0.25 - spread, abs=0.006)
    assert interval.high == pytest.approx(0.25 + spread, abs=0.006)
    assert outcome.interval(1) == interval
    assert str(interval).startswith("0.250 [0.2")


def test_groups_that_hit_together_widen_the_interval() -> None:
    groups = np.repeat(np.arange(20), 20)
    hits = groups % 4 == 0
    outcome = recall(np.where(hits, 0, 1)[:, None], positions(*[[0]] * 400), (1,))
    alone, together = outcome.interval(1), outcome.interval(1, groups=groups)
    assert together.value == alone.value
    # Twenty groups are as twenty queries: the spread grows by the root of twenty.
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(20), rel=0.15)


def test_a_paired_margin_is_sharper_than_two_intervals() -> None:
    base = np.arange(300) % 2 == 0
    better = base | (np.arange(300) % 10 == 1)
    one, other = (recall(np.where(h, 0, 1)[:, None], positions(*[[0]] * 300), (1,)) for h in (better, base))
    margin = one.margin_over(other, 1)
    assert margin.value == pytest.approx(0.1)
    assert margin.low > 0.05
    assert margin.high - margin.low < one.interval(1).high - one.interval(1).low


def test_misuse_is_refused() -> None:
    outcome = recall(np.zeros((2, 5), np.int64), positions([0], [1]), (1, 5))
    with pytest.raises(ConfigError, match=r"Recall@3 was not computed; there are 1, 5"):
        outcome.at(3)
    with pytest.raises(ConfigError, match="cannot be paired"):
        outcome.margin_over(recall(np.zeros((1, 5), np.int64), positions([0]), (1, 5)), 1)
    with pytest.raises(ConfigError, match=r"Recall@10 cannot be computed"):
        recall(np.zeros((2, 5), np.int64), positions([0], [1]), (1, 10))
