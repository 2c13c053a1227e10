"""What was asked, what was answered, and what would have been right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from a2gc_ros.viz import style

MOST_OF_A_CAPTION = 24
"""Characters that fit under an image."""


@dataclass(frozen=True)
class Picture:
    """An image with a word on it.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        caption: Stands under it.
        right: Whether it is a right answer; None where that is no question.
    """

    image: npt.NDArray[np.uint8]
    caption: str
    right: bool | None = None


@dataclass(frozen=True)
class Retrieval:
    """One query with its answers.

    Attributes:
        query: What was asked.
        answers: What was found, best first.
        positives: What would be right, the best found first; empty where the data set has nothing.
    """

    query: Picture
    answers: Sequence[Picture]
    positives: Sequence[Picture]


def draw_retrievals(
    retrievals: Sequence[Retrieval],
    *,
    rows: int,
    answers: int,
    positives: int,
    title: str,
    heads: Sequence[str] = (),
) -> Figure:
    """Draws a row for each query: the query, its answers framed right or wrong, and some right ones.

    Args:
        retrievals: At most ``rows`` of them are drawn.
        rows: Rows of the picture; its size follows from these three numbers alone.
        answers: Columns for answers.
        positives: Columns for right ones.
        title: Stands above the picture.
        heads: Stand above the answers; their numbers if not given.
    """
    columns = 1 + answers + positives
    with style.styled():
        figure = style.new_figure(2.4 * columns, 2.15 * rows + 0.9, title)
        panels = np.asarray(figure.subplots(rows, columns, squeeze=False))
        for axes in panels.ravel():
            axes.set_axis_off()
        drawn = retrievals[:rows]
        for panel, retrieval in zip(panels[: len(drawn)], drawn, strict=True):
            for first, pictures in (
                (0, [retrieval.query]),
                (1, retrieval.answers[:answers]),
                (1 + answers, retrieval.positives[:positives]),
            ):
                for axes, picture in zip(panel[first : first + len(pictures)], pictures, strict=True):
                    _draw(axes, picture)
        named = heads or [f"answer {i + 1}" for i in range(answers)]
        for axes, head in zip(panels[0], ["query", *named, *["right"] * positives], strict=True):
            axes.set_title(style.shorten(head, MOST_OF_A_CAPTION), fontsize=12)
        frames = [
            Patch(facecolor="none", edgecolor=color, linewidth=3, label=label)
            for color, label in ((style.RIGHT, "right answer"), (style.WRONG, "wrong answer"))
        ]
        style.legend_below(figure, frames, columns=2)
    return figure


def _draw(axes: Axes, picture: Picture) -> None:
    axes.set_axis_on()
    axes.imshow(picture.image)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    lines = [style.shorten(line, MOST_OF_A_CAPTION) for line in picture.caption.splitlines()]
    axes.set_xlabel("\n".join(lines), fontsize=9)
    color = {True: style.RIGHT, False: style.WRONG, None: style.PATH}[picture.right]
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=3)
