"""What two images have in common, before anybody asks where the camera stood."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.verification.estimators import Fit


def _no_pairs() -> npt.NDArray[np.int64]:
    return np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Comparison:
    """Matches of two images and the one two-view geometry that most of them agree with.

    The numbers are there whether or not the thresholds are met, as long as there are matches enough to fit anything.

    Attributes:
        pairs: int64 (M, 2), the feature matches: indices into the query's and the keyframe's features.
        agreeing: int64 (N, 2), those that agree with the fit.
        coverage: Share of either image over which they are spread, the lesser of the two, in [0, 1].
        fit: The geometry; None where nothing fits.
        reason: Which threshold was not met; empty when the images show the same place.
    """

    pairs: npt.NDArray[np.int64] = field(default_factory=_no_pairs)
    agreeing: npt.NDArray[np.int64] = field(default_factory=_no_pairs)
    coverage: float = 0.0
    fit: Fit | None = None
    reason: str = ""

    @property
    def matches(self) -> int:
        """How many feature matches there are."""
        return len(self.pairs)

    @property
    def inliers(self) -> int:
        """How many of them agree with the fit."""
        return len(self.agreeing)
