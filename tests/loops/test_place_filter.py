"""The place filter: sequences along one stretch convince, repetition does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.loops.impostor_tail import ImpostorTail, fit
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.place_filter import FilterStep, PlaceFilter
from a2gc_ros.loops.results import Match
from a2gc_ros.placemap.impostors import Impostor

NAN = float("nan")
SECOND = 10**9


def tail(persistence: float = 0.2) -> ImpostorTail:
    rng = np.random.default_rng(0)
    beside = np.where(rng.random(400) < persistence, 0.99, 0.0)
    return fit([Impostor(float(m), 200, float(b)) for m, b in zip(rng.gumbel(0.5, 0.03, 400), beside, strict=True)])


ORDINARY = tail()
HIGH, LOW = 0.75, 0.45


def located(ordinal: int, similarity: float = HIGH, *, odometry: bool = True, session: int = 1) -> LocatedMatch:
    way = float(ordinal) if odometry else NAN
    return LocatedMatch(Match(0, 0, ordinal + 1, session, ordinal * SECOND, similarity), ordinal, way, (way, 0.0, 0.0))


def run(
    steps: list[list[LocatedMatch]], *, odometry: bool = True, statistics: ImpostorTail = ORDINARY
) -> list[list[float]]:
    places = PlaceFilter()
    return [
        places.update(FilterStep(at * SECOND, 1000.0 + at if odometry else NAN, [200]), matches, [statistics])
        for at, matches in enumerate(steps)
    ]


@pytest.mark.parametrize("way", [1, -1], ids=["same direction", "opposite direction"])
@pytest.mark.parametrize("odometry", [True, False])
def test_a_stretch_driven_again_convinces(way: int, odometry: bool) -> None:
    found = run([[located(100 + way * at, odometry=odometry)] for at in range(8)], odometry=odometry)
    probabilities = [p for (p,) in found]
    assert probabilities[0] < 0.9
    assert probabilities[-1] > 0.999


def test_one_glance_does_not_convince() -> None:
    ((probability,),) = run([[located(100, 0.68)]])
    assert 0 < probability < 0.9


def test_a_match_that_jumps_about_never_convinces() -> None:
    rng = np.random.default_rng(2)
    similarities = rng.gumbel(0.5, 0.03, 150)
    found = run([[located(int(o), float(s))] for o, s in zip(rng.integers(0, 200, 150), similarities, strict=True)])
    assert max(p for (p,) in found) < 0.9


@pytest.mark.parametrize("odometry", [True, False])
def test_one_keyframe_that_resembles_everything_does_not_convince(odometry: bool) -> None:
    found = run([[located(100, 0.56, odometry=odometry)] for _ in range(60)], odometry=odometry)
    assert max(p for (p,) in found[20:]) < 0.9


def test_two_places_that_look_the_same_share_the_probability() -> None:
    (*_, last) = run([[located(50 + at), located(150 + at)] for at in range(8)])
    assert last[0] == pytest.approx(last[1], rel=0.05)
    assert max(last) <= 0.5


def test_two_visits_of_one_place_do_not_compete() -> None:
    def visits(at: int) -> list[LocatedMatch]:
        again = located(150 + at)
        return [
            located(50 + at),
            LocatedMatch(again.match, again.ordinal, again.path_length, (50.0 + at + 5, 2.0, 0.0)),
        ]

    (*_, last) = run([visits(at) for at in range(8)])
    assert min(last) > 0.99


def test_places_of_different_sessions_do_not_compete() -> None:
    (*_, last) = run([[located(50 + at), located(150 + at, session=2)] for at in range(8)])
    assert min(last) > 0.99


def test_where_look_alikes_last_a_sequence_proves_little() -> None:
    steps = [[located(100 + at, 0.6)] for at in range(6)]
    brief, lasting = (run(steps, statistics=tail(share))[-1][0] for share in (0.1, 0.95))
    assert brief > 0.9
    assert lasting < brief


def test_a_place_that_is_out_of_sight_for_a_while_is_kept() -> None:
    seen = [[located(100 + at)] for at in range(6)]
    hidden: list[list[LocatedMatch]] = [[] for _ in range(3)]
    again = run([*seen, *hidden, [located(109, LOW)]])[-1][0]
    elsewhere = run([*seen, *hidden, [located(20, LOW)]])[-1][0]
    assert again > 0.1 > 0.01 > elsewhere


def test_a_stamp_that_steps_back_forgets_everything() -> None:
    places = PlaceFilter()
    for at in range(6):
        places.update(FilterStep(at * SECOND, float(at), [200]), [located(100 + at)], [ORDINARY])
    (after,) = places.update(FilterStep(0, 6.0, [200]), [located(106, 0.6)], [ORDINARY])
    ((fresh,),) = run([[located(106, 0.6)]])
    assert after == pytest.approx(fresh)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 199), st.floats(-1, 1), st.integers(1, 2)), max_size=10),
        min_size=1,
        max_size=12,
    )
)
def test_probabilities_are_probabilities(steps: list[list[tuple[int, float, int]]]) -> None:
    places = PlaceFilter()
    for at, matches in enumerate(steps):
        found = [located(o, s, session=session) for o, s, session in sorted(matches, key=lambda m: -m[1])]
        probabilities = places.update(FilterStep(at * SECOND, float(at), [200]), found, [ORDINARY])
        assert len(probabilities) == len(found)
        assert all(0 <= p <= 1 for p in probabilities)
