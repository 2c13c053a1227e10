"""Pictures of a transport plan show who takes which patch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from a2gc_ros.viz import style
from a2gc_ros.viz.clusters import cluster_colors, draw_clusters, draw_features, principal_colors


def plan(clusters: int, rows: int = 3, columns: int = 4) -> np.ndarray:
    values = np.random.default_rng(clusters).random((clusters + 1, rows, columns)).astype(np.float32)
    return values / values.sum(axis=0)


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def test_winner_and_dustbin_are_those_of_the_plan(tmp_path: Path) -> None:
    shares = plan(5)
    features = np.random.default_rng(1).standard_normal((3, 4, 7)).astype(np.float32)
    figure = draw_features(image(), features, shares, title="features")
    taken, dustbin = figure.axes[2], figure.axes[3]
    np.testing.assert_array_equal(taken.get_images()[-1].get_array(), shares.argmax(axis=0))
    np.testing.assert_array_equal(dustbin.get_images()[-1].get_array(), shares[-1])
    style.save(figure, tmp_path / "features.png")
    assert cv2.imread(str(tmp_path / "features.png")).shape == (1032, 1440, 3)


def test_a_model_without_clusters_has_the_same_size_of_picture(tmp_path: Path) -> None:
    style.save(draw_features(image(), np.ones((3, 4, 2), np.float32), None, title="plain"), tmp_path / "f.png")
    assert cv2.imread(str(tmp_path / "f.png")).shape == (1032, 1440, 3)


@pytest.mark.parametrize("clusters", [1, 8, 9, 64])
def test_clusters_and_dustbin_have_colours_of_their_own(clusters: int) -> None:
    colors = {cluster_colors(clusters)(i) for i in range(clusters + 1)}
    assert len(colors) == clusters + 1


@pytest.mark.parametrize(("clusters", "shown"), [(1, 1), (5, 5), pytest.param(80, 64, marks=pytest.mark.slow)])
def test_each_cluster_has_its_map(tmp_path: Path, clusters: int, shown: int) -> None:
    maps = plan(clusters)[:-1]
    figure = draw_clusters(maps, title="clusters", label="share")
    drawn = [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()][:shown]
    assert len(drawn) == shown
    np.testing.assert_array_equal(drawn[-1], maps[shown - 1])
    style.save(figure, tmp_path / "clusters.png")
    assert cv2.imread(str(tmp_path / "clusters.png")).shape == (816, 1200, 3)


def test_a_bias_has_zero_in_the_middle_of_its_shades() -> None:
    maps = np.array([[[-1.0, 3.0]]], np.float32)
    figure = draw_clusters(maps, title="bias", label="added", centered=True)
    assert figure.axes[0].get_images()[0].get_clim() == (-3.0, 3.0)


def test_like_features_have_like_colours_whatever_their_sign() -> None:
    base = np.random.default_rng(2).standard_normal((2, 5)).astype(np.float32)
    grid = base[np.array([[0, 1], [1, 0]])]
    colors = principal_colors(grid)
    assert colors.shape == (2, 2, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1
    np.testing.assert_allclose(colors[0, 0], colors[1, 1], atol=1e-5)
    assert np.abs(colors[0, 0] - colors[0, 1]).max() > 0.5
    np.testing.assert_allclose(principal_colors(grid), colors)
