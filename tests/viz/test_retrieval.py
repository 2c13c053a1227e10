"""The picture of a retrieval frames right and wrong answers and keeps its size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex

from a2gc_ros.viz import style
from a2gc_ros.viz.retrieval import Picture, Retrieval, draw_retrievals


def picture(right: bool | None = None, caption: str = "") -> Picture:
    return Picture(np.full((30, 40, 3), 100, np.uint8), caption, right)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_the_size_depends_on_rows_and_columns_alone(tmp_path: Path, count: int) -> None:
    retrievals = [Retrieval(picture(), [picture(True), picture(False)], [picture()])] * count
    figure = draw_retrievals(retrievals, rows=3, answers=4, positives=2, title="retrieval")
    style.save(figure, tmp_path / "r.png")
    assert cv2.imread(str(tmp_path / "r.png")).shape == (882, 2016, 3)


def test_frames_and_captions_are_those_of_the_answers() -> None:
    retrieval = Retrieval(
        picture(caption="asked"), [picture(True, "0.9"), picture(False, "0.8")], [picture(None, "far")]
    )
    figure = draw_retrievals([retrieval], rows=1, answers=2, positives=1, title="one")
    shown = [
        (axes.get_xlabel(), to_hex(axes.spines["top"].get_edgecolor()).upper(), axes.get_title(loc="left"))
        for axes in figure.axes
    ]
    assert shown == [
        ("asked", style.PATH, "query"),
        ("0.9", style.RIGHT, "answer 1"),
        ("0.8", style.WRONG, "answer 2"),
        ("far", style.PATH, "right"),
    ]
