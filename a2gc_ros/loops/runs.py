"""Runs of verified pairs: what neighbouring queries say together about a place.

One verified pair proves little: a sign board that hangs on every floor agrees with itself better than a place does
with itself in other light. What tells them apart is what stands around it. Where the robot is at a known place again,
its next keyframes agree with the next keyframes of the map; and matches that contradict the motion are few in all of
them together.

So verified pairs are gathered into runs: pairs whose keyframes follow one another as their queries do, one for each
query, within :data:`WINDOW` queries on either side. The strongest run through a pair is its evidence, so a further pair
or a larger share of agreeing matches never makes it weaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.evidence import EvidenceModel

WINDOW: Final = 6
"""Queries before and after a pair's own that can support it."""

PACES: Final = (1.0, -1.0)
"""Keyframes of the map, or metres, for each of the query's: in the map's direction or against it."""

SLACK: Final = 1.0
SLACK_M: Final = 3.0
"""How far from where its run should be a keyframe may lie: keyframes, or metres where odometry tells."""

SLIP: Final = 0.4
"""The same as a share of the way from the pair: another pace, lanes, corners, drift."""


@dataclass(frozen=True)
class VerifiedPair:
    """A query and a keyframe whose local features agree with one camera motion.

    Attributes:
        step: Number of the query's keyframe.
        way: Metres travelled at the query, NaN without odometry.
        target: Map and session of the keyframe.
        ordinal: Number of the keyframe within its session.
        travelled: Metres travelled at the keyframe in its session, NaN without odometry.
        matches: Feature matches.
        inliers: Those that agree.
        coverage: Share of either image over which they are spread.
        advance: By how much the keyframe resembles the query more than the most similar other place, cosine.
    """

    step: int
    way: float
    target: tuple[int, int]
    ordinal: int
    travelled: float
    matches: int
    inliers: int
    coverage: float
    advance: float


@dataclass(frozen=True)
class Run:
    """The strongest run through a pair.

    Attributes:
        probability: That it shows the same place.
        length: How many queries it has.
        share: Inliers over matches of all its pairs.
        advance: Mean of its pairs' advances, cosine.
        members: Numbers of its pairs, the one that it goes through first.
    """

    probability: float
    length: int
    share: float
    advance: float
    members: tuple[int, ...] = ()


def strongest(pairs: Sequence[VerifiedPair], model: EvidenceModel) -> list[Run]:
    """Returns the strongest run through each of some pairs.

    Args:
        pairs: All verified pairs that may support one another.
        model: What makes a run strong.
    """
    if not pairs:
        return []
    numbers = np.array(
        [(p.step, p.way, p.ordinal, p.travelled, p.matches, p.inliers, p.coverage, p.advance) for p in pairs],
        dtype=np.float64,
    )
    step, way, ordinal, travelled, matches, inliers, coverage, advance = numbers.T
    targets = np.unique([p.target for p in pairs], axis=0, return_inverse=True)[1].ravel()
    strengths = model.measures(inliers, matches, coverage, advance) @ model.weights
    steps = step[:, None] - step
    apart, gap = way[:, None] - way, travelled[:, None] - travelled
    metric = np.isfinite(apart) & np.isfinite(gap)
    may = (targets[:, None] == targets) & (np.abs(steps) <= WINDOW) & (steps != 0)
    # Strongest first, so that of a query's pairs the first that is met is its best.
    order = np.argsort(-strengths, kind="stable")
    runs = []
    for at in range(len(pairs)):
        found: list[Run] = []
        for pace in PACES:
            by_number = np.abs(ordinal[at] - ordinal - pace * steps[at]) <= SLACK + SLIP * np.abs(steps[at])
            by_way = np.abs(gap[at] - pace * apart[at]) <= SLACK_M + SLIP * np.abs(apart[at])
            inline = may[at] & np.where(metric[at], by_way, by_number)
            members = [at]
            taken: set[float] = set()
            for other in order[inline[order]]:
                if step[other] not in taken:
                    taken.add(step[other])
                    members.append(int(other))
            found.append(_best_part(np.array(members), strengths, matches, inliers, advance, model))
        runs.append(max(found, key=lambda run: (run.probability, run.length)))
    return runs


def _best_part(
    members: npt.NDArray[np.int64],
    strengths: npt.NDArray[np.float64],
    matches: npt.NDArray[np.float64],
    inliers: npt.NDArray[np.float64],
    advance: npt.NDArray[np.float64],
    model: EvidenceModel,
) -> Run:
    """Returns the strongest run of the first member and of some others, which come strongest first."""
    lengths = np.arange(1, len(members) + 1)
    odds = np.cumsum(strengths[members]) / lengths + model.length * np.log(lengths)
    length = int(np.argmax(odds)) + 1
    part = members[:length]
    return Run(
        model.probability(float(strengths[part].mean()), length),
        length,
        float(inliers[part].sum() / matches[part].sum()),
        float(advance[part].mean()),
        tuple(part.tolist()),
    )
