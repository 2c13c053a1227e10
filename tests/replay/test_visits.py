"""Closures of neighboring keyframes are one visit."""

from __future__ import annotations

import pytest

from a2gc_ros.replay.visits import GAP, visits
from a2gc_ros.viz.page_data import Fate, PairRow


def pairs(*entries: tuple[int, int]) -> list[PairRow]:
    return [PairRow(*entry, Fate.CLOSURE, 0, 0.9) for entry in entries]


@pytest.mark.parametrize(
    ("closures", "spans"),
    [
        ([], []),
        ([(50, 1), (51, 2), (53, 4)], [((50, 53), (1, 4), False)]),
        ([(50, 4), (51, 3), (52, 1)], [((50, 52), (1, 4), True)]),
        # Laps of seven keyframes: now the last one is recognized, now the one before.
        ([(50, 10), (51, 11), (52, 5), (53, 6), (54, 7)], [((50, 54), (5, 11), False)]),
        ([(50, 1), (50 + GAP, 1 + GAP)], [((50, 50 + GAP), (1, 1 + GAP), False)]),
        ([(50, 1), (51 + GAP, 2)], [((50, 50), (1, 1), False), ((51 + GAP, 51 + GAP), (2, 2), False)]),
        ([(50, 1), (51, 30)], [((50, 50), (1, 1), False), ((51, 51), (30, 30), False)]),
    ],
)
def test_neighbours_are_one_visit(closures: list[tuple[int, int]], spans: list[tuple]) -> None:
    found = visits(pairs(*closures)[::-1])
    assert [(visit.queries, visit.keyframes, visit.backwards) for visit in found] == spans


def test_two_places_recognised_at_once_are_two_visits_with_one_closure_a_query() -> None:
    closures = pairs((60, 1), (60, 30), (61, 2), (61, 31), (61, 3))
    found = visits(closures, ["a", "A", "b", "B", "again"])  # type: ignore[arg-type]
    assert [visit.members for visit in found] == [("a", "b"), ("A", "B")]
