"""Pictures and matrices fit into a page, and say what they were given."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.viz.album import album
from a2gc_ros.viz.similarity_tiles import MOST, TILE, Pooled, Shades, pooled_cosines, shades, tiles

NOISE = np.random.default_rng(0).integers(0, 256, (360, 480, 3), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 1.5)


def decoded(data: str, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), flags))


@pytest.mark.slow
@pytest.mark.parametrize("budget", [10_000_000, 100_000, 60_000])
def test_pictures_are_as_large_as_the_budget_allows(budget: int) -> None:
    found = album(20, lambda i: None if i == 3 else SMOOTH, budget)
    assert found.pictures[3] is None
    sizes = [len(base64.b64decode(data)) for data in found.pictures if data]
    assert len(sizes) == 19
    assert sum(sizes) <= budget
    assert found.aspect == pytest.approx(480 / 360)
    side = decoded(found.pictures[0] or "").shape[1]
    assert side == 480 if budget > 1e6 else side < 480


def test_a_map_without_pictures_has_an_empty_album() -> None:
    assert album(2, lambda _: None).pictures == (None, None)
    assert album(0, lambda _: None).pictures == ()


def test_a_small_matrix_is_kept_cell_by_cell() -> None:
    table = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    (tile,) = tiles(Pooled(table, 1, 3, 4), Shades(0.0, 1.0))
    assert (tile["row"], tile["column"], tile["rows"], tile["columns"]) == (0, 0, 3, 4)
    np.testing.assert_array_equal(decoded(tile["bytes"], cv2.IMREAD_GRAYSCALE), np.round(table * 255))


def test_a_large_matrix_keeps_its_bright_cells() -> None:
    vectors = np.zeros((MOST * 2 - 1, 2), dtype=np.float32)
    vectors[3000, 0] = 1
    others = np.zeros((700, 2), dtype=np.float32)
    others[650, 0] = 1
    told: list[tuple[int, int]] = []
    matrix = pooled_cosines(vectors, others, lambda begin, cosines: told.append((begin, len(cosines))))
    assert told[0][0] == 0
    assert [begin + rows for begin, rows in told] == [*(begin for begin, _ in told[1:]), len(vectors)]
    parts = tiles(matrix, Shades(0.0, 1.0))
    assert all(max(decoded(part["bytes"]).shape) <= TILE for part in parts)
    (bright,) = [part for part in parts if decoded(part["bytes"], cv2.IMREAD_GRAYSCALE).max() > 128]
    assert bright["row"] <= 3000 < bright["row"] + bright["rows"]
    assert bright["column"] <= 650 < bright["column"] + bright["columns"]
    assert sum(part["rows"] * part["columns"] for part in parts) >= len(vectors) * len(others)


def test_shades_are_for_what_may_be_matched() -> None:
    table = np.eye(50, dtype=np.float32) + np.float32(0.2)
    chosen = shades(table, ~np.eye(50, dtype=bool))
    assert chosen.low == pytest.approx(0.2)
    assert chosen.low < chosen.high < 0.3
