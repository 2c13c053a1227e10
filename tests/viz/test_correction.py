from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install matplotlib")

from a2gc_ros.viz import style
from a2gc_ros.viz.correction import draw_correction


def count(figure, path: Path, color: str) -> int:
    style.save(figure, path)
    picture = cv2.imread(str(path)).astype(int)
    wanted = [int(color[i : i + 2], 16) for i in (5, 3, 1)]
    return int((np.abs(picture - wanted).max(axis=2) < 12).sum())


@pytest.mark.slow
def test_links_and_truth_are_drawn_where_there_are_any(tmp_path):
    t = np.linspace(0, 4 * np.pi, 200)
    after = np.stack([20 * np.cos(t), 20 * np.sin(t)], axis=1)
    before = after + np.stack([t, t / 2], axis=1)
    titles = ("Before", "After")
    links = np.array([[100 + i, i] for i in range(0, 100, 10)])
    bare = draw_correction(before, after, np.empty((0, 2), int), titles=titles)
    linked = draw_correction(before, after, links, titles=titles)
    known = draw_correction(before, after, links, truth=after, titles=titles)
    path = tmp_path / "a.png"
    assert count(linked, path, style.RIGHT) > count(bare, path, style.RIGHT) + 200
    assert count(known, path, style.PATH) > count(linked, path, style.PATH) + 2000
    for name in ("b.png", "c.png"):
        style.save(draw_correction(before, after, links, truth=after, titles=titles), tmp_path / name)
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()
    left, right = known.axes
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["Before", "After"]
    # One scale, so that the eye may compare.
    assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())
