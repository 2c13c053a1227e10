from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from a2gc_training.data.rules import Places
from a2gc_training.data.tables import FileReader, ImageTable
from a2gc_training.data.view_rule import SharedView, Views
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError


def table(**columns: list[Any]) -> ImageTable:
    count = len(next(iter(columns.values())))
    names = [f"{number}.png" for number in range(count)]
    return ImageTable("the test", names, FileReader(Path()), {k: np.array(v) for k, v in columns.items()})


def views(*poses: tuple[float, float, float], degrees: float = 90, reach: float = 10) -> Views:
    x, y, yaw = np.array(poses, float).T
    half = np.full(len(poses), np.radians(degrees) / 2)
    return Views(np.stack([x, y], axis=1), np.radians(yaw), half, reach)


def overlap(seen: Views) -> float:
    return float(seen.overlap(0, np.array([1]))[0])


@pytest.mark.parametrize(
    ("seen", "share"),
    [
        (views((0, 0, 0), (0, 0, 0)), 1.0),
        # Turned by a third of the field of view, two thirds are still seen.
        (views((0, 0, 0), (0, 0, 30)), 2 / 3),
        (views((0, 0, 0), (0, 0, -60)), 1 / 3),
        (views((0, 0, 0), (0, 0, 90)), 0.0),
        (views((0, 0, 179), (0, 0, -151)), 2 / 3),
        (views((0, 0, 0), (0, 0, 180)), 0.0),
        # All but the whole circle each, turned against one another: they miss 101 degrees of 259, and share two ends.
        (views((0, 0, 236), (0, 0, 0), degrees=259), 158 / 259),
        (views((0, 0, 0), (25, 0, 0)), 0.0),
        # Face to face across ten metres: a square of area 50 in sectors of area 25 pi.
        (views((0, 0, 0), (10, 0, 180)), 2 / np.pi),
        # Back to back.
        (views((0, 0, 180), (5, 0, 0)), 0.0),
        # All round, the lens of two circles of radius 10 whose centers are 10 apart.
        (views((0, 0, 0), (10, 0, 77), degrees=360), 2 / 3 - np.sqrt(3) / (2 * np.pi)),
    ],
)
def test_overlaps_known_from_geometry(seen: Views, share: float) -> None:
    assert overlap(seen) == pytest.approx(share, abs=0.03)


pose = st.tuples(st.floats(-15, 15), st.floats(-15, 15), st.floats(-400, 400))


@given(pose, pose, st.floats(20, 350), st.integers(0, 9))
def test_overlap_is_the_share_of_area_and_the_same_both_ways(
    first: Any, second: Any, degrees: float, seed: int
) -> None:
    seen = views(first, second, degrees=degrees)
    rng = np.random.default_rng(seed)
    count = 4000
    distance, turn = 10 * np.sqrt(rng.random(count)), np.radians(degrees) * (rng.random(count) - 0.5)
    angle = seen.heading[0] + turn
    points = seen.position[0] + distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    away = points - seen.position[1]
    off = np.angle(np.exp(1j * (np.arctan2(away[:, 1], away[:, 0]) - seen.heading[1])))
    naive = np.mean((np.hypot(*away.T) <= 10) & (np.abs(off) <= np.radians(degrees) / 2))
    assert overlap(seen) == pytest.approx(naive, abs=0.06)
    assert overlap(seen) == seen.overlap(1, np.array([0]))[0]


walks = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(-12, 12)), min_size=1, max_size=20)


@given(walks, st.sampled_from([4.0, 12.0]), st.sampled_from([0.2, 0.6]))
def test_places_cover_all_and_any_two_of_their_images_obey_the_rule(walk: Any, metres: float, least: float) -> None:
    x, y, yaw = ([float(value) for value in column] for column in zip(*walk, strict=True))
    rows = table(x=x, y=y, yaw=[angle / 4 for angle in yaw])
    rule = SharedView(metres=metres, overlap=least, field_of_view=90.0, reach=10.0)
    places: Places = rule.places(rows)
    assert set(np.concatenate(places.members)) == set(range(len(walk)))
    # An overlap is known to about a hundredth.
    match = SharedView(metres=metres, overlap=least - 0.05, field_of_view=90.0, reach=10.0).matcher(rows)
    for place in places.members:
        assert all(match(i)[j] for i in place for j in place)
    for number, near in enumerate(places.conflicts):
        assert number not in near
        assert all(number in places.conflicts[other] for other in near)


def test_who_looks_the_other_way_shows_another_place_but_is_no_negative() -> None:
    rows = table(x=[0.0, 0.5, 0.5, 60.0], y=[0.0] * 4, yaw=[0.0, 0.1, np.pi, 0.0], field_of_view=[80.0] * 4)
    places = SharedView(metres=2).places(rows)
    assert [rows.tolist() for rows in places.members] == [[0, 1], [2], [3]]
    assert [near.tolist() for near in places.conflicts] == [[1], [0], []]


def test_two_that_see_the_same_from_afar_are_no_negatives() -> None:
    rows = table(x=[0.0, 40.0], y=[0.0, 0.0], yaw=[0.0, np.pi])
    facing = SharedView(metres=2, field_of_view=80.0, reach=25.0).places(rows)
    assert [near.tolist() for near in facing.conflicts] == [[1], [0]]
    short = SharedView(metres=2, field_of_view=80.0, reach=15.0).places(rows)
    assert [near.tolist() for near in short.conflicts] == [[], []]


def test_poses_that_drift_or_do_not_compare() -> None:
    rows = table(x=[0.0, 0.0, 0.0], y=[0.0] * 3, yaw=[0.0] * 3, time=[0.0, 100.0, 0.0], session=["a", "a", "b"])
    options: dict[str, Any] = {"metres": 2, "field_of_view": 80.0}
    assert len(SharedView(**options).places(rows)) == 1
    apart = SharedView(**options, session="session").places(rows)
    assert [rows.tolist() for rows in apart.members] == [[0, 1], [2]]
    # Whether the other session shows the same is not known, so it teaches no difference.
    assert [near.tolist() for near in apart.conflicts] == [[1], [0]]
    short = SharedView(**options, session="session", seconds=20)
    assert [rows.tolist() for rows in short.places(rows).members] == [[0], [1], [2]]
    assert short.matcher(rows)(0).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "entries",
    [
        {"metres": 0},
        {"reach": 0},
        {"overlap": 0},
        {"overlap": 1.5},
        {"field_of_view": 0.0},
        {"seconds": -1},
        {"margin": -1},
    ],
)
def test_rules_without_sense_are_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SharedView(**{"metres": 2, **entries})
