"""Patches match when each is the other's nearest, and the pictures show just those matches."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection

from a2gc_ros.viz import style
from a2gc_ros.viz.patch_grid import patch_centers
from a2gc_ros.viz.patch_matches import (
    ComparedImage,
    draw_heatmaps,
    draw_lines,
    draw_patch_similarity,
    match_patches,
)


def features(seed: int, rows: int, columns: int, channels: int = 6) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((rows, columns, channels)).astype(np.float32)
    return values / np.linalg.norm(values, axis=2, keepdims=True)


def compared(seed: int, grid: tuple[int, int], used: np.ndarray | None = None) -> ComparedImage:
    image = np.random.default_rng(seed).integers(0, 256, (grid[0] * 16, grid[1] * 16, 3), np.uint8)
    return ComparedImage(image, grid, f"{seed}.jpg", used)


@given(
    seed=st.integers(0, 999),
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    top_k=st.integers(1, 30),
    threshold=st.floats(-1, 1),
)
def test_matches_are_those_of_a_naive_search(
    seed: int, sizes: tuple[int, int, int, int], top_k: int, threshold: float
) -> None:
    query, reference = features(seed, *sizes[:2]), features(seed + 1, *sizes[2:])
    found = match_patches(query, reference, top_k=top_k, threshold=threshold)
    flat_q, flat_r = query.reshape(-1, 6), reference.reshape(-1, 6)
    cosine = flat_q @ flat_r.T
    naive = [
        (i, j)
        for i in range(len(flat_q))
        for j in range(len(flat_r))
        if cosine[i, j] == cosine[i].max() == cosine[:, j].max() and cosine[i, j] >= threshold
    ]
    naive.sort(key=lambda pair: -cosine[pair])
    assert list(zip(found.query, found.reference, strict=True)) == naive[:top_k]
    np.testing.assert_array_equal(found.similarity, cosine)


def test_an_image_matches_itself_patch_by_patch() -> None:
    values = features(3, 4, 5)
    found = match_patches(values, values, top_k=200, threshold=0.99)
    assert sorted(zip(found.query, found.reference, strict=True)) == [(i, i) for i in range(20)]
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)


def test_patch_centres_go_row_by_row() -> None:
    np.testing.assert_allclose(patch_centers((2, 3), (6.0, 4.0)), [(1, 1), (3, 1), (5, 1), (1, 3), (3, 3), (5, 3)])


@pytest.mark.parametrize("grids", [((4, 5), (4, 5)), ((2, 6), (5, 3))])
def test_there_is_one_line_for_each_match_between_its_patches(
    tmp_path: Path, grids: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    found = match_patches(features(0, *grids[0]), features(1, *grids[1]), top_k=200, threshold=-1)
    figure = draw_lines(compared(0, grids[0]), compared(1, grids[1]), found, title="two images")
    (lines,) = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert len(lines.get_segments()) == len(found.query) > 0
    best = lines.get_segments()[-1]
    row, column = divmod(int(found.query[0]), grids[0][1])
    height = grids[0][0] / grids[0][1]
    np.testing.assert_allclose(best[0], ((column + 0.5) / grids[0][1], (row + 0.5) / grids[0][0] * height))
    np.testing.assert_array_equal(lines.get_array(), found.scores[::-1])
    style.save(figure, tmp_path / "lines.png")
    assert cv2.imread(str(tmp_path / "lines.png")).shape == (624, 1440, 3)


def test_no_match_is_a_picture_too(tmp_path: Path) -> None:
    found = match_patches(features(0, 3, 3), features(1, 3, 3), top_k=5, threshold=1.0)
    assert len(found.query) == 0
    style.save(draw_lines(compared(0, (3, 3)), compared(1, (3, 3)), found, title="none"), tmp_path / "lines.png")
    assert cv2.imread(str(tmp_path / "lines.png")).shape == (624, 1440, 3)


def test_the_matrix_holds_every_patch_and_marks_the_matches() -> None:
    found = match_patches(features(0, 3, 4), features(1, 2, 5), top_k=200, threshold=-1)
    axes = draw_patch_similarity(found, title="matrix").axes[0]
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), found.similarity)
    (marks,) = axes.get_lines()
    np.testing.assert_array_equal(marks.get_xdata(), found.reference)
    np.testing.assert_array_equal(marks.get_ydata(), found.query)


@pytest.mark.parametrize("clusters", [True, False])
def test_heatmaps_hold_the_nearest_similarity_and_what_is_used(tmp_path: Path, clusters: bool) -> None:
    found = match_patches(features(0, 3, 4), features(1, 2, 5), top_k=200, threshold=-1)
    used = [
        np.random.default_rng(i).random(g).astype(np.float32) if clusters else None
        for i, g in ((0, (3, 4)), (1, (2, 5)))
    ]
    figure = draw_heatmaps(compared(0, (3, 4), used[0]), compared(1, (2, 5), used[1]), found, title="heat")
    overlays = [axes.get_images()[-1].get_array() for axes in figure.axes[:4]]
    np.testing.assert_array_equal(overlays[0], found.similarity.max(axis=1).reshape(3, 4))
    np.testing.assert_array_equal(overlays[1], found.similarity.max(axis=0).reshape(2, 5))
    if clusters:
        np.testing.assert_array_equal(overlays[2], used[0])
    style.save(figure, tmp_path / "heat.png")
    assert cv2.imread(str(tmp_path / "heat.png")).shape == (1032, 1440, 3)
