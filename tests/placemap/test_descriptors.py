"""What is kept of descriptors in memory is what the map has."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap, descriptors
from a2gc_ros.placemap.descriptors import Half, RecentDescriptors, StoredDescriptors, widened

DIM, KEYFRAMES = 8, 20


class Counted(StoredDescriptors):
    """Counts what is read.

    Attributes:
        read: How many descriptors were.
    """

    read = 0

    def take(self, ids: npt.NDArray[np.int64]) -> Half:
        self.read += len(ids)
        return super().take(ids)


@pytest.fixture(scope="module")
def place_map() -> Iterator[PlaceMap]:
    """A map of a few keyframes."""
    rows = np.random.default_rng(0).standard_normal((KEYFRAMES, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with PlaceMap.create(":memory:", Manifest("f" * 64, DIM, "numbers")) as opened:
        opened.add_many(opened.add_session("x").id, [NewKeyframe(at, row) for at, row in enumerate(rows)])
        yield opened


def test_every_finite_value_is_widened_to_itself() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    single = widened(halves)
    np.testing.assert_array_equal(single, halves.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(single), np.signbit(halves))
    assert widened(np.empty((0, 8), np.float16)).shape == (0, 8)
    assert widened(halves[:8].reshape(2, 4)[:, ::2]).tolist() == halves[:8].reshape(2, 4)[:, ::2].tolist()


def kept(connection: sqlite3.Connection, rows: int, patch: pytest.MonkeyPatch) -> tuple[RecentDescriptors, Counted]:
    """Descriptors of which so many stay in memory."""
    patch.setattr(descriptors, "KEPT_BYTES", rows * 4 * DIM)
    stored = Counted(connection, DIM)
    return RecentDescriptors(stored, DIM), stored


@settings(max_examples=50, deadline=None)
@given(
    rows=st.integers(1, 30),
    asked=st.lists(st.lists(st.integers(1, KEYFRAMES), max_size=25), max_size=8),
)
def test_whatever_is_asked_comes_as_it_is_stored(place_map: PlaceMap, rows: int, asked: list[list[int]]) -> None:
    with place_map.reading() as connection, pytest.MonkeyPatch.context() as patch:
        recent, stored = kept(connection, rows, patch)
        for some in asked:
            ids = np.array(some, dtype=np.int64)
            np.testing.assert_array_equal(recent.take(ids), StoredDescriptors(connection, DIM).take(ids))
        assert stored.read <= sum(map(len, asked))


def test_what_was_asked_for_last_is_not_read_again(place_map: PlaceMap, monkeypatch: pytest.MonkeyPatch) -> None:
    with place_map.reading() as connection:
        recent, stored = kept(connection, 8, monkeypatch)
        recent.take(np.arange(1, 6))
        recent.take(np.arange(3, 9))
        assert stored.read == 8
        recent.take(np.arange(9, 12))
        recent.take(np.arange(4, 12))
        assert stored.read == 11
        recent.take(np.array([1, 4]))
        assert stored.read == 12
        with pytest.raises(MapError, match="no keyframe 99"):
            recent.take(np.array([4, 99]))
