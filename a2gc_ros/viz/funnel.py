"""How many keyframes come how far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.figure import Figure

from a2gc_ros.viz import style


class StepLike(Protocol):
    """A step; :class:`a2gc_ros.replay.funnel.Step` is one."""

    @property
    def name(self) -> str:
        """What those have that came so far."""

    @property
    def keyframes(self) -> int | None:
        """How many came so far."""

    @property
    def revisits(self) -> int | None:
        """How many of the revisits came so far, with a right pair."""


def draw_funnel(steps: Sequence[StepLike]) -> Figure:
    """Draws a bar for each step, and beside it, where a truth is known, one for the revisits.

    Args:
        steps: From all to those that arrived.
    """
    series = [("all keyframes", style.ACCENT, [step.keyframes for step in steps])]
    if any(step.revisits is not None for step in steps):
        series.append(("revisits, with a right pair", style.RIGHT, [step.revisits for step in steps]))
    height = 0.8 / len(series)
    with style.styled():
        figure = style.new_figure(10.0, 0.8 + 0.62 * len(steps))
        axes = figure.add_subplot()
        for row, (label, colour, counts) in enumerate(series):
            for at, count in enumerate(counts):
                if count is None:
                    continue
                place = at + (row - (len(series) - 1) / 2) * height
                axes.barh(place, count, height * 0.9, color=colour, label=label if at == 0 else None)
                axes.annotate(str(count), (count, place), (4, 0), textcoords="offset points", va="center", fontsize=10)
        axes.set_yticks(range(len(steps)), [step.name for step in steps])
        axes.invert_yaxis()
        axes.grid(False)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.margins(x=0.08)
        if len(series) > 1:
            axes.legend(loc="lower right")
    return figure
