"""Runs of verified pairs: what neighboring queries say together about a place.

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
        path_length: Metres travelled at the keyframe in its session, NaN without odometry.
        coverage: Share of either image over which they are spread.
        advance: By how much the keyframe resembles the query more than the most similar other place, cosine.
    """

    step: int
    way: float
    target: tuple[int, int]
    ordinal: int
    path_length: float
    matches: int
    inliers: int
    coverage: float
    advance: float


@dataclass(frozen=True)
class Run:
    """The strongest run through a pair.

    Attributes:
        probability: That it shows the same place.
        share: Inliers over matches of all its pairs.
        advance: Mean of its pairs' advances, cosine.
        members: Numbers of its pairs, the one that it goes through first.
    """

    probability: float
    length: int
    share: float
    advance: float
    members: tuple[int, ...] = ()


NO_RUN: Final = Run(0.0, 0, float("nan"), float("nan"))
"""That of a pair which was not verified."""


def strongest(pairs: Sequence[VerifiedPair], model: EvidenceModel) -> list[Run]:
    """Returns the strongest run through each of the verified pairs that may support one another."""
    if not pairs:
        return []
    numbers = np.array(
        [(p.step, p.way, p.ordinal, p.path_length, p.matches, p.inliers, p.coverage, p.advance) for p in pairs],
        dtype=np.float64,
    )
    step, way, ordinal, path_length, matches, inliers, coverage, advance = numbers.T
    targets = np.unique([p.target for p in pairs], axis=0, return_inverse=True)[1].ravel()
    strengths = model.measures(inliers, matches, coverage, advance) @ model.weights
    steps = step[:, None] - step
    apart, gap = way[:, None] - way, path_length[:, None] - path_length
    metric = np.isfinite(apart) & np.isfinite(gap)
    may = (targets[:, None] == targets) & (np.abs(steps) <= WINDOW) & (steps != 0)
    inline = []
    for pace in PACES:
        by_number = np.abs(ordinal[:, None] - ordinal - pace * steps) <= SLACK + SLIP * np.abs(steps)
        by_way = np.abs(gap - pace * apart) <= SLACK_M + SLIP * np.abs(apart)
        inline.append(may & np.where(metric, by_way, by_number))
    members = _members(np.concatenate(inline), step, strengths)
    there = members >= 0

    def summed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns the sums over the first members of each run, by how many they are."""
        return np.cumsum(np.where(there, values[members], 0.0), axis=1)

    # The best part of each run: its strongest pairs, as many as make it likeliest.
    lengths = np.arange(1, members.shape[1] + 1)
    means = summed(strengths) / lengths
    odds = np.where(there, means + model.length * np.log(lengths), -np.inf)
    last = np.argmax(odds, axis=1)
    # Of the two directions the likelier one, or else the longer one, or else the map's.
    ahead, back = np.arange(2 * len(pairs)).reshape(2, -1)
    best = odds[np.arange(len(odds)), last]
    alike = best[back] == best[ahead]
    rows = np.where((best[back] > best[ahead]) | (alike & (last[back] > last[ahead])), back, ahead)
    at = rows, last[rows]
    shares, advances = summed(inliers)[at] / summed(matches)[at], summed(advance)[at] / lengths[at[1]]
    columns = means[at], lengths[at[1]], shares, advances, members[rows]
    return [
        Run(model.probability(mean, length), length, share, gained, tuple(numbers[:length]))
        for mean, length, share, gained, numbers in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _members(
    inline: npt.NDArray[np.bool_], step: npt.NDArray[np.float64], strengths: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Returns who belongs to each run: the pair it goes through, then of every other query the strongest in line.

    ``inline`` says which pairs are in line with each, (k * N, N), once for each of k directions; what comes back are
    numbers of pairs, (k * N, most), the strongest first after the pair itself, -1 behind the last.
    """
    count = len(step)
    order = np.argsort(-strengths, kind="stable")
    ranks = np.empty(count, dtype=np.int64)
    ranks[order] = np.arange(count)
    by_step = np.argsort(step, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(step[by_step]) > 0])
    best = np.sort(np.minimum.reduceat(np.where(inline, ranks, count)[:, by_step], first, axis=1), axis=1)
    others = np.where(best < count, order[np.minimum(best, count - 1)], -1)
    own = np.arange(len(inline)) % count
    return np.column_stack([own, others])
