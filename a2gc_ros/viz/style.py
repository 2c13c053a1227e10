"""One look for every picture: size, type, and colors that people with color blindness can tell apart.

Colors are those of Okabe and Ito, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

RIGHT = "#009E73"
WRONG = "#D55E00"
MISSED = "#8C8C8C"
PATH = "#C9D1D9"
ACCENT = "#0072B2"
SECOND = "#E69F00"
INK = "#24292F"
CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C")

DPI = 120

_SETTINGS: Any = {
    "font.size": 11,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": "#6E7781",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#EAEEF2",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
}


@contextmanager
def styled() -> Iterator[None]:
    """Applies the look to figures made inside the block, and to nothing else in the process."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width_in: float, height_in: float, title: str = "") -> Figure:
    """Makes a figure without pyplot, so that no display and no global state is involved."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained", facecolor="white")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
    return figure


def shorten(name: str, most: int) -> str:
    """At most this many characters of a name, its end, which is what tells images apart."""
    return name if len(name) <= most else f"…{name[len(name) + 1 - most :]}"


def legend_below(figure: Figure, handles: Sequence[Any], *, columns: int, **settings: Any) -> None:
    """Puts a legend under all axes of a figure from :func:`new_figure`; settings are matplotlib's."""
    if mpl.__version_info__[:2] >= (3, 7):
        place: Any = "outside lower center"
    else:
        # Ubuntu 22.04 and 24.04 have older ones, where the room has to be taken by something else.
        place = "lower center"
        figure.supxlabel("\n" * -(-len(handles) // columns))
    figure.legend(handles=handles, loc=place, ncol=columns, **settings)


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of exactly the figure's size; the same figure gives the same bytes."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
