"""Which local features of two keyframes match, to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from a2gc_ros.loops.verification import Comparison, GeometricVerifier, View
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.viz.page_data import MatchedFeatures

MOST_OUTLIERS: Final = 40
"""Matches of a pair that do not agree, as drawn."""


@dataclass(frozen=True)
class Found:
    """What two keyframes have in common.

    Attributes:
        comparison: As the geometric check sees it.
        drawn: As a page draws it.
    """

    comparison: Comparison
    drawn: MatchedFeatures


def match_features(
    verifier: GeometricVerifier, query: tuple[PlaceMap, int], keyframe: tuple[PlaceMap, int]
) -> Found | None:
    """Compares two keyframes, each a map and an id; None where one has neither features nor an image."""
    views = [verifier.view_of_keyframe(*entry) for entry in (query, keyframe)]
    if views[0] is None or views[1] is None:
        return None
    compared = verifier.compare(views[0], views[1])
    return Found(compared, drawn(views[0], views[1], compared))


def drawn(query: View, keyframe: View, compared: Comparison) -> MatchedFeatures:
    """Returns the matches of two views as a page draws them."""
    agreeing = {tuple(entry) for entry in compared.agreeing.tolist()}
    others = [entry for entry in compared.pairs.tolist() if tuple(entry) not in agreeing][:MOST_OUTLIERS]
    both = np.concatenate([compared.agreeing, np.array(others, dtype=np.int64).reshape(-1, 2)])
    ends = [
        view.features.points[both[:, side]] / (view.features.width, view.features.height)
        for side, view in enumerate((query, keyframe))
    ]
    return MatchedFeatures(np.concatenate(ends, axis=1), compared.inliers)
