"""How much the geometric check says about a candidate, as odds.

Between views of one place many features agree, and most of those that match do; between others few do. Logistic
regression over 6,399 pairs of the simulated towns of seeds 1 and 2 (SIFT; 2,580 within 15 m and 45 degrees, the others
more than 20 m apart) gave the logarithm of the odds. Of the 3,819 others none reached 4, so more than about a thousand
to one is never claimed.
"""

from __future__ import annotations

import math
from typing import Final

from a2gc_ros.loops.results import Verification

CONSTANT, BY_LOG_INLIERS, BY_SHARE = -16.0, 4.1, 2.8

MOST: Final = 1000.0

REFUSED: Final = 0.3
"""One of three views of the right place fails the check where light, blur or traffic spoil it; of others nearly all."""


def geometric_odds(verification: Verification) -> float:
    """Returns how much likelier this outcome is for two views of one place than for views of two places."""
    if not verification.verified:
        return REFUSED
    share = verification.inliers / max(1, verification.matches)
    logarithm = CONSTANT + BY_LOG_INLIERS * math.log(max(1, verification.inliers)) + BY_SHARE * share
    return math.exp(min(logarithm, math.log(MOST)))
