"""What stands beside a query: its answers, and the right images the model ranks best."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.cli.retrieval_pages import caption, what_would_be_right


def test_the_right_ones_found_come_first_in_the_order_they_were_found() -> None:
    found = what_would_be_right(np.array([7, 3, 9, 1]), np.array([1, 2, 3]), most=3)
    assert found == [(3, "rank 2"), (1, "rank 4"), (2, "beyond rank 4")]


@pytest.mark.parametrize(("rows", "right"), [([4, -1, -1], []), ([-1, -1, -1], [0])])
def test_a_short_search_has_no_ranks_beyond_its_rows(rows: list[int], right: list[int]) -> None:
    found = what_would_be_right(np.array(rows), np.array(right, np.int64), most=2)
    assert found == [(row, "not found") for row in right]


@pytest.mark.parametrize(
    ("name", "words"),
    [("1764122159250000000", "1764122159.2 s"), ("db/@5@7@.jpg", "db/@5@7@.jpg"), ("12.png", "12.png")],
)
def test_frames_of_recordings_are_captioned_by_their_second(name: str, words: str) -> None:
    assert caption(name) == words
