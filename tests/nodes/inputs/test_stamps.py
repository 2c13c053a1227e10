"""Stamps that are zero or stand still are replaced by the time of arrival, and this is said once."""

from __future__ import annotations

import itertools

import pytest

from a2gc_ros.nodes.inputs.stamps import PATIENCE, Stamps
from a2gc_ros.nodes.parameters import StampChoice

NOW = 1_000_000


def run(choice: StampChoice, headers: list[int]) -> tuple[list[int | None], list[str], Stamps]:
    told: list[str] = []
    clock = itertools.count(NOW)
    stamps = Stamps("/camera/image", choice, lambda: next(clock), told.append)
    return [stamps.stamp_ns(header) for header in headers], told, stamps


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([0, 0, 0, 0], [None, None, NOW, NOW + 1]),
        ([7, 7, 7, 7, 7], [7, None, None, NOW, NOW + 1]),
        ([0, 1, 0, 2, 2, 3], [None, 1, None, 2, None, 3]),
        ([5, 4, 3, 2], [5, 4, 3, 2]),
        ([0, 0, 0, 9, 10], [None, None, NOW, 9, 10]),
    ],
    ids=["good", "zero", "standing still", "an accident now and then", "backwards", "good again"],
)
def test_of_auto_the_header_is_taken_as_long_as_it_is_of_use(headers: list[int], taken: list[int | None]) -> None:
    assert run("auto", headers)[0] == taken


def test_a_choice_is_kept() -> None:
    assert run("header", [0] * 5)[0] == [None] * 5
    assert run("arrival", [1, 2, 3])[0] == [NOW, NOW + 1, NOW + 2]


@pytest.mark.parametrize(("choice", "said"), [("auto", "the time of arrival is taken"), ("header", "are passed over")])
def test_what_is_wrong_is_said_once_and_names_the_topic(choice: StampChoice, said: str) -> None:
    _, told, stamps = run(choice, [0] * 20)
    assert len(told) == 1
    assert "/camera/image are zero" in told[0]
    assert said in told[0]
    assert stamps.problem == told[0]
    assert stamps.taken == ("arrival" if choice == "auto" else "header")


def test_nothing_is_said_before_it_is_sure_nor_of_a_choice() -> None:
    assert not run("auto", [0] * (PATIENCE - 1))[1]
    assert not run("arrival", [0] * 20)[1]
