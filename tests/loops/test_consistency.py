"""Temporal consistency: chains along one stretch count, everything else does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.loops.consistency import QueryPosition, SequenceConsistency
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.results import Match

NAN = float("nan")
SECOND = 10**9


def located(ordinal: int, way: float = NAN, *, map_index: int = 0, session_id: int = 1) -> LocatedMatch:
    return LocatedMatch(Match(0, map_index, ordinal + 1, session_id, ordinal * SECOND, 0.9), ordinal, way)


def query(step: int, way: float = NAN, seconds: float | None = None) -> QueryPosition:
    return QueryPosition(step, round((step if seconds is None else seconds) * SECOND), way)


def run(pairs: list[tuple[QueryPosition, list[LocatedMatch]]], **settings: float) -> list[list[int]]:
    options: dict = {"window": 5, "tolerance_m": 4.0, "max_gap_s": 30.0} | settings
    consistency = SequenceConsistency(**options)
    return [consistency.support(position, matches) for position, matches in pairs]


@pytest.mark.parametrize("way", [1, -1], ids=["same direction", "opposite direction"])
@pytest.mark.parametrize("odometry", [True, False])
def test_a_stretch_driven_again_builds_support(way: int, odometry: bool) -> None:
    pairs = [
        (
            query(at, 200.0 + at if odometry else NAN),
            [located(50 + way * at, 50.0 + way * at if odometry else NAN)],
        )
        for at in range(5)
    ]
    assert run(pairs) == [[1], [2], [3], [4], [5]]


def test_keyframes_of_another_spacing_support_every_match_where_none_is_off() -> None:
    pairs = [(query(at, 300.0 + at), [located((60 + at) // 3, 3.0 * ((60 + at) // 3))]) for at in range(20)]
    assert min(support for (support,) in run(pairs)[9:]) >= 3


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_keyframes_of_another_spacing_build_support_too(jitter: list[int]) -> None:
    """Keyframes every three metres in the map, every metre in the live session, matches off by one now and then."""
    pairs = []
    for at in range(20):
        ordinal = (60 + at) // 3 + (jitter[at % len(jitter)] == 0)
        pairs.append((query(at, 300.0 + at), [located(ordinal, 3.0 * ordinal)]))
    # A match that is off just now may find nothing to lean on; one of the last few does.
    assert max(support for (support,) in run(pairs)[-6:]) >= 3


@given(st.integers(0, 100), st.integers(1, 30))
def test_one_keyframe_that_resembles_everything_gets_no_support(ordinal: int, count: int) -> None:
    pairs = [(query(at, float(at)), [located(ordinal, float(ordinal))]) for at in range(count)]
    assert run(pairs) == [[1]] * count


@given(st.data())
def test_support_is_the_longest_chain_by_brute_force(data: st.DataObject) -> None:
    """Against trying every chain, on short random histories."""
    count = data.draw(st.integers(1, 5))
    pairs = [
        (
            query(at, 2.0 * at),
            [
                located(o, 2.0 * o, session_id=s)
                for o, s in data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 2)), max_size=3))
            ],
        )
        for at in range(count)
    ]
    expected = [[_longest(pairs, at, match) for match in pairs[at][1]] for at in range(count)]
    assert run(pairs, window=3) == expected


def _longest(pairs: list, at: int, match: LocatedMatch) -> int:
    def extend(step: int, current: LocatedMatch, way: int) -> int:
        best = 0
        for earlier in range(max(0, step - 3), step):
            for before in pairs[earlier][1]:
                if before.match.session_id != current.match.session_id:
                    continue
                keyframes = way * (current.ordinal - before.ordinal)
                on_query = 2.0 * (step - earlier)
                if keyframes >= 1 and abs(2.0 * keyframes - on_query) <= 4.0 + 0.5 * on_query:
                    best = max(best, extend(earlier, before, way))
        return best + 1

    return max(extend(at, match, 1), extend(at, match, -1))


@pytest.mark.parametrize(
    "second",
    [
        located(11, 11.0, session_id=2),
        located(11, 11.0, map_index=1),
        located(40, 40.0),
        located(10, 10.0),
    ],
    ids=["another session", "another map", "far along the way", "the same keyframe"],
)
def test_what_does_not_support(second: LocatedMatch) -> None:
    first = (query(0, 100.0), [located(10, 10.0)])
    assert run([first, (query(1, 101.0), [second])]) == [[1], [1]]


def test_directions_do_not_mix() -> None:
    ordinals = [10, 11, 10, 11, 10]
    pairs = [(query(at, float(at)), [located(o, float(o))]) for at, o in enumerate(ordinals)]
    assert max(support[0] for support in run(pairs)) == 2


def test_old_matches_are_forgotten() -> None:
    matches = [(query(0, 0.0), [located(10, 10.0)])]
    matches += [(query(at, float(at)), []) for at in range(1, 6)]
    matches += [(query(6, 6.0), [located(16, 16.0)])]
    assert run(matches)[-1] == [1]
    assert run(matches, window=6)[-1] == [2]


@pytest.mark.parametrize(("seconds", "support"), [(29.0, 2), (31.0, 1)])
def test_without_odometry_a_long_pause_breaks_the_chain(seconds: float, support: int) -> None:
    pairs = [(query(0, seconds=0), [located(5)]), (query(1, seconds=seconds), [located(6)])]
    assert run(pairs)[-1] == [support]


def test_a_clock_that_steps_back_begins_anew() -> None:
    pairs = [(query(0, seconds=100), [located(5)]), (query(1, seconds=50), [located(6)])]
    assert run(pairs)[-1] == [1]
