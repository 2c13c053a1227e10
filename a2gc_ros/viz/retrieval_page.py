"""The page of an evaluation: recall with its intervals, and queries with their answers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.viz.album import album
from a2gc_ros.viz.report import Report, Section, View

if TYPE_CHECKING:
    from a2gc_ros.viz.retrieval import Retrieval


@dataclass(frozen=True)
class RecallCurve:
    """Recall of one model over the number of answers.

    Attributes:
        name: Of the model.
        ks: Numbers of answers, ascending.
        recall: Of each.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    name: str
    ks: Sequence[int]
    recall: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Shown:
    """Queries of a page.

    Attributes:
        heading: Above them.
        text: Which these are.
        retrievals: The queries with their answers.
        heads: What stands above each answer, one for each; numbered where empty.
    """

    heading: str
    text: str
    retrievals: Sequence[Retrieval]
    heads: Sequence[str] = ()


def retrieval_page(
    title: str, subtitle: str, curves: Sequence[RecallCurve], table: Sequence[Sequence[str]], shown: Shown
) -> Report:
    """Builds the page of an evaluation of one model, or of several on the same queries.

    All texts are plain; the first row of the table is its head, and it may be empty.
    """
    images: list[npt.NDArray[np.uint8]] = []

    def cell(what: str, picture: Any) -> dict[str, Any]:
        images.append(picture.image)
        return {"what": what, "picture": len(images) - 1, "caption": picture.caption, "right": picture.right}

    rows = []
    for retrieval in shown.retrievals:
        heads = shown.heads or [f"answer {rank}" for rank in range(1, len(retrieval.answers) + 1)]
        row = [cell("query", retrieval.query)]
        row += [cell(head, answer) for head, answer in zip(heads, retrieval.answers, strict=True)]
        rows.append(row + [cell("would be right", right) for right in retrieval.positives])
    pictures = album(len(images), lambda i: images[i])
    ks = curves[0].ks if curves else ()
    data = {
        "label": "Recall over the number of answers, with 95 % intervals",
        "x": "answers looked at",
        "y": "recall",
        "x_ticks": {str(place): str(k) for place, k in enumerate(ks)},
        "file": "recall",
        "curves": [
            {
                "name": f"{curve.name}: R@{curve.ks[0]} {100 * curve.recall[0]:.1f}",
                "x": list(range(len(curve.ks))),
                "y": list(map(float, curve.recall)),
                "low": list(map(float, curve.low)),
                "high": list(map(float, curve.high)),
                "marks": True,
            }
            for curve in curves
        ],
    }
    text = (
        "The share of the queries with a right image among so many answers; the bands are 95 % intervals by bootstrap."
    )
    sections = [Section("Recall", text, table, views=[View("curves", data)])]
    if rows:
        sections.append(Section(shown.heading, shown.text, views=[View("queries", {"rows": rows})]))
    tiles = [(f"{100 * curve.recall[0]:.1f} %", f"recall@{curve.ks[0]}, {curve.name}") for curve in curves]
    shared = {"album": list(pictures.pictures), "album_type": pictures.type, "aspect": pictures.aspect}
    return Report(title, subtitle, tiles, sections, shared)
