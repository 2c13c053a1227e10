"""The words of a picture stay inside it and lie beside each other, however long the names of images are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from a2gc_ros.viz.calibration import draw_calibration
from a2gc_ros.viz.clusters import draw_clusters, draw_features
from a2gc_ros.viz.correction import draw_correction
from a2gc_ros.viz.map_matches import MapMatches, SessionPath, draw_map
from a2gc_ros.viz.patch_matches import (
    ComparedImage,
    draw_heatmaps,
    draw_lines,
    draw_patch_similarity,
    match_patches,
)
from a2gc_ros.viz.retrieval import Picture, Retrieval, draw_retrievals
from a2gc_ros.viz.style import shorten

LONG = "2026-11-23_drive_through_the_old_town_in_the_rain_front_left_camera_frame_000123.jpg"
IMAGE = np.full((48, 64, 3), 128, np.uint8)
RNG = np.random.default_rng(0)


FEATURES = RNG.standard_normal((6, 8, 5)).astype(np.float32)
MATCHES = match_patches(FEATURES, FEATURES[::-1], top_k=20, threshold=-1)
PLAN = RNG.random((5, 6, 8)).astype(np.float32)
SIDE, PLAIN = (ComparedImage(IMAGE, (6, 8), LONG, used) for used in (PLAN[-1], None))
PATH = np.stack([np.arange(40.0), np.sin(np.arange(40.0)), np.arange(40.0)], axis=1)
SESSIONS = [SessionPath(LONG, PATH[:, :2]), SessionPath("tuesday", PATH[:, :2])]
KEYFRAMES = MapMatches(np.array([[0, 50], [3, 20]]), np.array([0.4, 0.9], np.float32))
SHOWN = Picture(IMAGE, LONG, right=True)
SIMILARITIES = np.linspace(0.2, 0.9, 50)
CHANCE = np.exp(-8 * SIMILARITIES)
INTERVAL = CHANCE[:, None] * (0.5, 2)

PICTURES: dict[str, Callable[[], Figure]] = {
    "lines": lambda: draw_lines(SIDE, SIDE, MATCHES, title="a model: 20 patches match"),
    "matrix": lambda: draw_patch_similarity(MATCHES, title="Patches of both images"),
    "heatmaps": lambda: draw_heatmaps(SIDE, SIDE, MATCHES, title="a model: 20 patches match"),
    "heatmaps without clusters": lambda: draw_heatmaps(PLAIN, PLAIN, MATCHES, title="a model: 20 patches match"),
    "features": lambda: draw_features(IMAGE, FEATURES, PLAN, title="a model"),
    "features without clusters": lambda: draw_features(IMAGE, FEATURES, None, title="a model"),
    "few clusters": lambda: draw_clusters(PLAN, title="a model", label="share"),
    "many clusters": lambda: draw_clusters(np.tile(PLAN, (13, 1, 1)), title="a model", label="share"),
    "bias": lambda: draw_clusters(PLAN - 0.5, title="a model", label="added", centered=True),
    "retrieval": lambda: draw_retrievals(
        [Retrieval(SHOWN, [SHOWN] * 4, [SHOWN])] * 3, rows=3, answers=4, positives=1, title="a model"
    ),
    "map": lambda: draw_map(SESSIONS, KEYFRAMES, title="a map"),
    "map of many sessions": lambda: draw_map(SESSIONS * 4, KEYFRAMES, title="a map"),
    "correction": lambda: draw_correction(
        PATH[:, :2], PATH[:, :2], np.array([[0, 20]]), truth=PATH[:, :2], titles=("by odometry", "corrected")
    ),
    "calibration": lambda: draw_calibration(SIMILARITIES, SIMILARITIES, CHANCE, INTERVAL, [(0.01, 0.6)]),
}


def words(figure: Figure) -> Iterator[tuple[str, Bbox]]:
    """Every text that is drawn, and the pixels it covers."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            outside = [tick for tick in ticks if not min(low, high) <= tick.get_loc() <= max(low, high)]
            for tick in outside if axes.axison else ticks:
                hidden |= {tick.label1, tick.label2}
            if not axes.axison:
                hidden.add(axis.label)
    for text in figure.findobj(Text):
        if text not in hidden and text.get_visible() and text.get_text().strip():
            yield text.get_text(), text.get_window_extent(renderer)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "many clusters" else name for name in PICTURES]
)
def test_words_stay_inside_and_beside_each_other(name: str) -> None:
    figure = PICTURES[name]()
    placed = list(words(figure))
    width, height = figure.canvas.get_width_height()
    outside = [word for word, box in placed if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    assert not outside
    # A pixel of touching is no overlap.
    assert not [
        (one, other)
        for (one, box), (other, second) in combinations(placed, 2)
        if min(box.x1, second.x1) - max(box.x0, second.x0) > 1 and min(box.y1, second.y1) - max(box.y0, second.y0) > 1
    ]


@pytest.mark.parametrize(
    ("name", "most", "short"),
    [("short.jpg", 9, "short.jpg"), ("a_long_name.jpg", 9, "…name.jpg"), ("a_long_name.jpg", 1, "…"), ("", 5, "")],
)
def test_long_names_keep_their_end(name: str, most: int, short: str) -> None:
    assert shorten(name, most) == short
