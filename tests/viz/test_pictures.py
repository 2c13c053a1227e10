"""Pictures show what they were given, at a fixed size, in the colours of the legend."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from a2gc_ros.viz import style
from a2gc_ros.viz.curves import draw_latency, draw_precision_recall
from a2gc_ros.viz.pairs import Pair, draw_pairs, side_by_side
from a2gc_ros.viz.similarity import draw_similarity
from a2gc_ros.viz.trajectory import Links, draw_trajectory


def pixels(figure: Figure, folder: Path) -> npt.NDArray[np.uint8]:
    style.save(figure, folder / "picture.png")
    return cv2.cvtColor(cv2.imread(str(folder / "picture.png")), cv2.COLOR_BGR2RGB)


def count(image: npt.NDArray[np.uint8], colour: str) -> int:
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return int((np.abs(image.astype(int) - wanted).max(axis=2) <= 2).sum())


def circle() -> npt.NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 60)
    return np.stack([50 * np.cos(angle), 30 * np.sin(angle), angle], axis=1)


def links(right: list[bool]) -> Links:
    path = circle()
    ends = np.arange(len(right))
    return Links(path[ends], path[ends + 30], np.array(right, dtype=bool))


@pytest.mark.parametrize(("right", "green", "red"), [([True] * 4, True, False), ([False] * 4, False, True)])
def test_trajectory_draws_right_and_wrong_links_apart(
    tmp_path: Path, right: list[bool], green: bool, red: bool
) -> None:
    nothing = np.empty((0, 3))
    with_links = pixels(draw_trajectory(circle(), links(right), nothing), tmp_path)
    legend_only = pixels(draw_trajectory(circle(), links([]), nothing), tmp_path)
    assert with_links.shape == legend_only.shape == (792, 1560, 3)
    assert (count(with_links, style.RIGHT) > 2 * count(legend_only, style.RIGHT)) == green
    assert (count(with_links, style.WRONG) > 2 * count(legend_only, style.WRONG)) == red


def test_trajectory_shows_what_was_missed_and_what_was_mapped(tmp_path: Path) -> None:
    nothing = np.empty((0, 3))
    plain = pixels(draw_trajectory(circle(), links([]), nothing), tmp_path)
    missed = pixels(draw_trajectory(circle(), links([]), circle()[:20]), tmp_path)
    mapped = pixels(draw_trajectory(circle(), links([]), nothing, mapped=circle()), tmp_path)
    assert count(missed, style.MISSED) > count(plain, style.MISSED) + 200
    assert count(mapped, style.ACCENT) > count(plain, style.ACCENT) + 200


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        pixels(draw_trajectory(circle(), links([True, False]), circle()[:2]), folder)
        files.append((folder / "picture.png").read_bytes())
    assert files[0] == files[1]


def test_precision_recall_curve_holds_the_given_numbers(tmp_path: Path) -> None:
    precision, recall = np.array([1.0, 1.0, 0.5]), np.array([0.1, 0.4, 0.6])
    figure = draw_precision_recall(precision, recall, operating_point=(0.4, 1.0))
    curve, point = figure.axes[0].get_lines()
    np.testing.assert_array_equal(curve.get_xdata(), recall)
    np.testing.assert_array_equal(curve.get_ydata(), precision)
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (0.4, 1.0)
    assert "precision 1.000, recall 0.400" in point.get_label()
    assert pixels(figure, tmp_path).shape == (600, 780, 3)


def test_latency_marks_its_percentiles_and_forgives_missing_values() -> None:
    figure = draw_latency(np.array([1.0, 2.0, 3.0, np.nan]))
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert labels == ["p50 2.0 ms", "p95 2.9 ms"]
    assert draw_latency(np.array([np.nan])).axes[0].get_lines()[:] == []


def test_similarity_shows_both_matrices(tmp_path: Path) -> None:
    similarity = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    figure = draw_similarity(similarity, np.eye(10, dtype=bool))
    left, right = (next(iter(axes.get_images())).get_array() for axes in figure.axes[:2])
    np.testing.assert_array_equal(left, similarity)
    np.testing.assert_array_equal(right, np.eye(10))
    assert count(pixels(figure, tmp_path), style.RIGHT) > 1000


def test_pairs_keep_their_size_and_frame_right_and_wrong(tmp_path: Path) -> None:
    image = np.full((48, 64, 3), 128, np.uint8)
    shapes = set()
    for number, right, colour in ((1, True, style.RIGHT), (9, False, style.WRONG), (0, None, None)):
        picture = pixels(draw_pairs([Pair(image, image, "0.91", right)] * number, title="Pairs"), tmp_path)
        shapes.add(picture.shape)
        if colour:
            assert count(picture, colour) > 300
    assert shapes == {(1080, 1440, 3)}


def test_side_by_side_keeps_aspect() -> None:
    wide, tall = np.zeros((50, 100, 3), np.uint8), np.full((100, 50, 3), 255, np.uint8)
    assert side_by_side(Pair(wide, tall, "", None), height=100).shape == (100, 200 + 6 + 50, 3)
