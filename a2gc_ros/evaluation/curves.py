"""Precision against recall as the threshold on the similarity falls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Curve:
    """Precision and recall as the threshold on the similarity of the best match falls.

    Attributes:
        thresholds: float64 (T,), descending.
        precision: float64 (T,).
        recall: float64 (T,).
    """

    thresholds: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Area under the curve: precision weighted with the steps of recall; NaN without any revisit."""
        if len(self.recall) == 0:
            return math.nan
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))

    def recall_at_precision(self, precision: float) -> float:
        """Returns the largest recall at which the precision is still at least this; 0 when it never is."""
        reached = self.recall[self.precision >= precision]
        return float(reached.max()) if len(reached) else 0.0

    @property
    def extended_precision(self) -> float:
        """(P_R0 + R_P100) / 2; NaN without a curve.

        Ferrarini et al. 2020, "Exploring performance bounds of visual place recognition using extended precision",
        RA-L 5(2), doi 10.1109/LRA.2020.2969197. R_P100 is the recall at full precision, P_R0 the precision of the most
        confident matches; the mean tells apart models whose recall at full precision is zero.
        """
        if len(self.precision) == 0:
            return math.nan
        return (float(self.precision[0]) + self.recall_at_precision(1.0)) / 2


def precision_recall(ranked: list[tuple[float, bool, bool]], positives: int) -> Curve:
    """Computes precision and recall at every distinct similarity.

    Ties share one threshold, so the order of ``ranked`` never matters.

    Args:
        ranked: (similarity, right, revisit) of the best match of each query, in any order: whether the match is right,
            and whether the query counts among the positives. A right match of a query outside them (the place seen
            from another side) adds to precision alone.
        positives: How many queries could have been answered right, matched or not; the denominator of recall.
    """
    order = sorted(ranked, key=lambda entry: -entry[0])
    similarities, right, revisit = (np.array(column) for column in zip(*order, strict=True))
    # Ties share one threshold: only the last of them is an operating point.
    last = np.append(similarities[1:] != similarities[:-1], True)
    counts = np.arange(1, len(order) + 1)
    return Curve(
        similarities[last],
        (np.cumsum(right) / counts)[last],
        (np.cumsum(right & revisit) / max(positives, 1))[last],
    )
