from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from a2gc_training.data.rules import CloseInSpace, CloseInTime, Places, SameColumns
from a2gc_training.data.tables import FileReader, ImageTable
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError, DatasetError


def table(**columns: list[Any]) -> ImageTable:
    count = len(next(iter(columns.values())))
    names = [f"{number}.png" for number in range(count)]
    return ImageTable("the test", names, FileReader(Path()), {k: np.array(v) for k, v in columns.items()})


def members(places: Places) -> list[list[int]]:
    return [rows.tolist() for rows in places.members]


def test_columns_group_rows_that_agree_in_all_of_them() -> None:
    rows = table(city=["a", "b", "a", "a", "b"], place=[1.0, 1.0, 2.0, 1.0, 1.0])
    assert members(SameColumns(columns=("city", "place")).places(rows)) == [[0, 3], [2], [1, 4]]
    assert SameColumns(columns=("city",)).matcher(rows)(1).tolist() == [False, True, False, False, True]


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(DatasetError, match=r"the test has no column 'place'; its columns are clip, time"):
        SameColumns().places(table(clip=["a"], time=[0.0]))


def test_a_column_that_must_hold_numbers_names_the_row_that_does_not() -> None:
    with pytest.raises(DatasetError, match=r"1\.png: time is 'noon'"):
        CloseInTime(seconds=1).places(table(session=["a", "a"], time=["3", "noon"]))


def test_windows_overlap_by_half_and_neighbours_conflict() -> None:
    rows = table(session=["a"] * 6 + ["b"] * 2, time=[0.0, 1, 2, 3, 4, 5, 0, 1])
    places = CloseInTime(seconds=2).places(rows)
    assert members(places) == [[0, 1, 2], [2, 3, 4], [4, 5], [6, 7]]
    assert [near.tolist() for near in places.conflicts] == [[1], [0, 2], [1], []]
    apart = CloseInTime(seconds=2, margin=2).places(rows)
    assert [near.tolist() for near in apart.conflicts] == [[1, 2], [0, 2], [0, 1], []]


times = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), min_size=1, max_size=30)


@given(times, st.integers(0, 8), st.integers(0, 6))
def test_time_places_cover_all_and_obey_the_rule(stamps: list[tuple[str, int]], seconds: int, margin: int) -> None:
    rows = table(session=[s for s, _ in stamps], time=[float(t) for _, t in stamps])
    rule = CloseInTime(seconds=seconds, margin=margin)
    places = rule.places(rows)
    assert set(np.concatenate(places.members)) == set(range(len(stamps)))
    for place in places.members:
        assert all(
            stamps[i][0] == stamps[j][0] and abs(stamps[i][1] - stamps[j][1]) <= seconds for i in place for j in place
        )
    for first, one in enumerate(places.members):
        for second, other in enumerate(places.members):
            near = any(
                stamps[i][0] == stamps[j][0] and abs(stamps[i][1] - stamps[j][1]) <= margin for i in one for j in other
            )
            if first != second and near:
                assert second in places.conflicts[first]
                assert first in places.conflicts[second]
    for row, mask in ((row, rule.matcher(rows)(row)) for row in range(len(stamps))):
        naive = [s == stamps[row][0] and abs(t - stamps[row][1]) <= seconds for s, t in stamps]
        assert mask.tolist() == naive


positions = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(-7, 7)), min_size=1, max_size=25)


@given(positions, st.integers(1, 10), st.sampled_from([20.0, 90.0, 180.0]))
def test_space_places_cover_all_and_obey_the_rule(
    poses: list[tuple[int, int, int]], metres: int, degrees: float
) -> None:
    x, y, yaw = ([float(pose[axis]) for pose in poses] for axis in range(3))
    rows = table(x=x, y=y, yaw=yaw)
    rule = CloseInSpace(metres=metres, yaw="yaw", degrees=degrees)
    places = rule.places(rows)
    assert set(np.concatenate(places.members)) == set(range(len(poses)))
    match = rule.matcher(rows)
    for place in places.members:
        assert all(match(i)[j] for i in place for j in place)
    for row in range(len(poses)):
        turn = [abs(np.angle(np.exp(1j * (angle - yaw[row])))) for angle in yaw]
        distance = [np.hypot(a - x[row], b - y[row]) for a, b in zip(x, y, strict=True)]
        # An angle of exactly the limit may fall to either side by rounding.
        clear = [abs(t - np.radians(degrees)) > 1e-9 for t in turn]
        naive = [d <= metres and t <= np.radians(degrees) for d, t in zip(distance, turn, strict=True)]
        assert (match(row) == naive)[clear].all()


def test_coordinates_of_two_sessions_do_not_compare_when_a_session_is_named() -> None:
    rows = table(x=[0.0, 0.0], y=[0.0, 0.0], session=["a", "b"])
    assert members(CloseInSpace(metres=1).places(rows)) == [[0, 1]]
    assert members(CloseInSpace(metres=1, session="session").places(rows)) == [[0], [1]]


@pytest.mark.parametrize(
    "make", [lambda: CloseInTime(seconds=-1), lambda: CloseInSpace(metres=0), lambda: SameColumns(columns=())]
)
def test_rules_without_sense_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
