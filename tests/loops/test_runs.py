"""Runs of verified pairs: what belongs to one, and that more agreement never makes a place less likely."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.loops.evidence import EvidenceModel
from a2gc_ros.loops.runs import WINDOW, VerifiedPair, strongest

LAW = EvidenceModel(
    intercept=-20.0, share=20.0, coverage=5.0, advance=2.0, length=2.0, doubt=3.0, most_coverage=0.5, most_advance=0.3
)


def pair(step: int, ordinal: int, *, inliers: int = 60, matches: int = 80, **more: object) -> VerifiedPair:
    known = {"way": math.nan, "target": (0, 1), "path_length": math.nan, "coverage": 0.3, "advance": 0.1}
    return VerifiedPair(step=step, ordinal=ordinal, matches=matches, inliers=inliers, **(known | more))  # type: ignore[arg-type]


def length(*others: VerifiedPair) -> int:
    return strongest([pair(10, 50), *others], LAW)[0].length


@pytest.mark.parametrize(
    ("step", "ordinal", "joins"),
    [
        (11, 51, True),
        (11, 49, True),  # Against the map's direction.
        (12, 52, True),
        (12, 50, False),  # The map stands still while the robot goes on.
        (12, 55, False),
        (16, 54, True),  # Slower than the first time.
        (16, 60, False),
        (10, 50, False),  # The same query again.
        (10 + WINDOW, 50 + WINDOW, True),
        (11 + WINDOW, 51 + WINDOW, False),
    ],
)
def test_keyframes_follow_as_queries_do(step: int, ordinal: int, joins: bool) -> None:
    assert length(pair(step, ordinal)) == 1 + joins


def test_other_sessions_and_maps_support_nothing() -> None:
    assert length(pair(11, 51, target=(0, 2)), pair(12, 52, target=(1, 1))) == 1


@pytest.mark.parametrize(("path_length", "joins"), [(107.0, True), (93.0, True), (100.0, False), (120.0, False)])
def test_odometry_replaces_counting(path_length: float, joins: bool) -> None:
    """The map's keyframes lie closer than the queries: they are counted wrong, and measured right."""
    at = pair(10, 50, way=500.0, path_length=100.0)
    other = pair(11, 90, way=508.0, path_length=path_length)
    assert strongest([at, other], LAW)[0].length == 1 + joins


def test_a_run_goes_one_way() -> None:
    assert length(pair(11, 51), pair(9, 51)) == 2


def test_a_query_counts_once() -> None:
    run = strongest([pair(10, 50), pair(11, 51, inliers=50), pair(11, 52, inliers=70)], LAW)[0]
    assert run.length == 2
    assert run.members == (0, 2)
    assert run.share == pytest.approx(130 / 160)


def test_nothing_has_no_runs() -> None:
    assert strongest([], LAW) == []


numbers = st.tuples(
    st.integers(4, 16), st.integers(44, 56), st.integers(14, 90), st.floats(0.1, 1.0), st.floats(-0.5, 0.5)
)


def made(step: int, ordinal: int, inliers: int, coverage: float, advance: float) -> VerifiedPair:
    return pair(step, ordinal, inliers=inliers, matches=100, coverage=coverage, advance=advance)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, max_size=12), numbers)
def test_a_further_pair_never_makes_a_place_less_likely(others: list[tuple], further: tuple) -> None:
    pairs = [pair(10, 50), *(made(*other) for other in others)]
    before = strongest(pairs, LAW)[0].probability
    assert strongest([*pairs, made(*further)], LAW)[0].probability >= before - 1e-12


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=12), st.data())
def test_more_agreement_never_makes_a_place_less_likely(others: list[tuple], data: st.DataObject) -> None:
    pairs = [pair(10, 50), *(made(*other) for other in others)]
    at = data.draw(st.integers(0, len(pairs) - 1))
    old = pairs[at]
    better = dataclasses.replace(
        old,
        inliers=data.draw(st.integers(old.inliers, old.matches)),
        coverage=data.draw(st.floats(old.coverage, 1.0)),
        advance=data.draw(st.floats(old.advance, 0.5)),
    )
    before = strongest(pairs, LAW)[0].probability
    assert strongest([*pairs[:at], better, *pairs[at + 1 :]], LAW)[0].probability >= before - 1e-12
