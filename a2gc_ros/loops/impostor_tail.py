"""How alike keyframes of different places look in one map: the tail of the impostors' similarities.

The statistic is, for each query, the largest similarity among keyframes that cannot show the same place. Above a high
level, such maxima follow the limit law of extreme values: impostors come as a Poisson process along the map, and their
excess over the level is generalized Pareto (Pickands 1975; Smith, Statistical Science 4, 1989). So the number of
impostors above a similarity grows with the number of keyframes searched, and the law fitted in a small map tells what
a larger one will do.

What few queries leave open is averaged over, not guessed: shape and scale over a grid with a weak prior, the rate in
closed form. The less was seen, the heavier the tail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.placemap.impostors import Impostor

Array = npt.NDArray[np.float64]

LEVEL_QUANTILE: Final = 0.8
"""The tail begins at this quantile of the maxima."""

MIN_QUERIES: Final = 20
"""With fewer, the prior speaks."""

SHAPES: Final = np.linspace(-0.5, 0.3, 17)
SHAPE_PRIOR: Final = (-0.1, 0.15)
"""Mean and standard deviation of the shape. A cosine is bounded, so the tail is a little shorter than exponential."""

SCALES: Final = np.geomspace(0.004, 0.4, 47)
"""Scales of the excess that are considered, cosine; all equally likely before, by their logarithm."""

PRIOR_LEVEL: Final = 0.7
PRIOR_SCALE: Final = 0.1
PRIOR_COMPARED: Final = 100.0
"""The stated prior for a model and a place never seen: one of five queries finds an impostor above 0.7 among 100
keyframes, and every further 0.1 makes them e times rarer. Only pairs that are nearly the same picture pass it."""

_PERSISTENCE_PRIOR: Final = (1.0, 1.0)


@dataclass(frozen=True)
class ImpostorTail:
    """The fitted tail of one map.

    Attributes:
        level: Similarity at which the tail begins.
        shapes: float64 (G,), of the generalized Pareto law, on the grid.
        scales: float64 (G,).
        weights: float64 (G,), posterior of each grid point, sums to one.
        counts: float64 (G,), shape of the Gamma posterior of the rate of impostors above the level.
        exposures: float64 (G,), its inverse scale in compared keyframes; counts / exposures is the mean rate.
        maxima: float64 (Q,), ascending; each query's most similar impostor.
        compared: How many impostors a query was compared with, on average.
        persistence: Probability that the next keyframe finds an impostor above the level again beside the last one.
        effective: How many independent queries the tail rests on; neighboring keyframes repeat each other.
    """

    level: float
    shapes: Array
    scales: Array
    weights: Array
    counts: Array
    exposures: Array
    maxima: Array
    compared: float
    persistence: float
    effective: float

    @property
    def queries(self) -> int:
        """How many queries were compared with impostors; 0 for the prior."""
        return len(self.maxima)

    @property
    def rate(self) -> float:
        """Expected impostors above the level for each keyframe that is searched."""
        return float(self.weights @ (self.counts / self.exposures))

    @property
    def scale(self) -> float:
        """Mean excess over the level, cosine."""
        return float(self.weights @ (self.scales / (1 - self.shapes)))

    def false_match(self, similarity: float, keyframes: float) -> float:
        """Returns the probability that one of so many keyframes of other places is at least so similar to a query.

        Below the level the share of queries that had such an impostor is given instead, whatever ``keyframes`` is.
        """
        if similarity < self.level:
            above = len(self.maxima) - np.searchsorted(self.maxima, similarity)
            tail = self.false_match(self.level, keyframes)
            return max(tail, float(above) / len(self.maxima)) if len(self.maxima) else 1.0
        return float(self.weights @ self._at_least_one(similarity, keyframes))

    def false_match_interval(self, similarity: float, keyframes: float, share: float = 0.95) -> tuple[float, float]:
        """Returns between which values :meth:`false_match` lies with probability ``share``, given what was seen."""
        rng = np.random.default_rng(0)
        at = rng.choice(len(self.weights), 2000, p=self.weights)
        rates = rng.gamma(self.counts[at], 1 / self.exposures[at])
        survival = _survival(max(similarity, self.level) - self.level, self.shapes[at], self.scales[at])
        low, high = np.quantile(-np.expm1(-keyframes * rates * survival), [(1 - share) / 2, (1 + share) / 2])
        return float(low), float(high)

    def threshold(self, max_false_match: float, keyframes: float) -> float:
        """Returns the least similarity whose :meth:`false_match` is at most so large; 1 where none below is."""
        low, high = -1.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if self.false_match(middle, keyframes) <= max_false_match else (middle, high)
        return high

    def density(self, similarity: float) -> float:
        """Returns the probability density of an impostor's similarity, given that it lies above the level."""
        excess = similarity - self.level
        return float(self.weights @ _density(excess, self.shapes, self.scales)) if excess >= 0 else 0.0

    def _at_least_one(self, similarity: float, keyframes: float) -> Array:
        """Averages 1 - exp(-keyframes * rate * survival) over the Gamma posterior of the rate, at each grid point."""
        expected = keyframes * _survival(similarity - self.level, self.shapes, self.scales)
        return np.asarray(-np.expm1(-self.counts * np.log1p(expected / self.exposures)))


def prior() -> ImpostorTail:
    """Returns what is assumed before a map has impostors of its own; see :data:`PRIOR_LEVEL`."""
    one = np.ones(1)
    rate = -math.log(LEVEL_QUANTILE) / PRIOR_COMPARED
    return ImpostorTail(
        PRIOR_LEVEL, 0 * one, PRIOR_SCALE * one, one, one, one / rate, np.empty(0), PRIOR_COMPARED, 0.5, 0.0
    )


def fit(impostors: Sequence[Impostor], quantile: float = LEVEL_QUANTILE) -> ImpostorTail:
    """Fits the tail to the impostors of a map's queries, in their order; few give the :func:`prior`.

    The tail begins at a quantile of the maxima. The law is that of a tail: it holds best where this is high.
    """
    if len(impostors) < MIN_QUERIES:
        return prior()
    table = np.array([(i.similarity, i.compared, np.nan if i.beside is None else i.beside) for i in impostors])
    maxima, compared, beside = table.T
    level = float(np.quantile(maxima, quantile))
    above = maxima > level
    independent = _independent_share(above)
    shapes, scales = (grid.ravel() for grid in np.meshgrid(SHAPES, SCALES, indexing="ij"))
    excess = maxima[above] - level
    # Ties may leave nothing above the level.
    survivals = np.array([_survival(e, shapes, scales) for e in excess]).reshape(-1, len(shapes))
    densities = np.array([_density(e, shapes, scales) for e in excess]).reshape(-1, len(shapes))
    # With rate r, a maximum m has density n r g(m) exp(-n r G(m)), and none above the level probability exp(-n r): the
    # rate's posterior is a Gamma law, and integrating it out leaves the likelihood of shape and scale. Queries that
    # repeat their neighbors count for the share of them that is independent.
    counts = np.full(len(shapes), 0.5 + independent * len(excess))
    exposures = independent * (compared[~above].sum() + compared[above] @ survivals)
    with np.errstate(divide="ignore"):
        likelihood = independent * np.log(densities).sum(axis=0) - counts * np.log(exposures)
    mean, deviation = SHAPE_PRIOR
    logs = likelihood - 0.5 * ((shapes - mean) / deviation) ** 2
    weights = np.exp(logs - logs.max())
    return ImpostorTail(
        level=level,
        shapes=shapes,
        scales=scales,
        weights=weights / weights.sum(),
        counts=counts,
        exposures=exposures,
        maxima=np.sort(maxima),
        compared=float(compared.mean()),
        persistence=_persistence(maxima, beside, level),
        effective=independent * len(maxima),
    )


def _survival(excess: npt.ArrayLike, shapes: Array, scales: Array) -> Array:
    """Returns the generalized Pareto law's probability of more than an excess."""
    inside, power = _pareto(excess, shapes, scales)
    return np.asarray(np.where(inside > 0, np.exp(-power), 0.0))


def _density(excess: float, shapes: Array, scales: Array) -> Array:
    inside, power = _pareto(excess, shapes, scales)
    return np.asarray(np.where(inside > 0, np.exp(-power) / (scales * np.maximum(inside, 1e-300)), 0.0))


def _pareto(excess: npt.ArrayLike, shapes: Array, scales: Array) -> tuple[Array, Array]:
    """Returns 1 + shape * excess / scale, and minus the logarithm of the survival where that is positive."""
    reduced = np.asarray(excess) / scales
    inside = 1 + shapes * reduced
    straight = np.abs(shapes) < 1e-9
    logs = np.log(np.maximum(inside, 1e-300)) / np.where(straight, 1.0, shapes)
    return inside, np.where(straight, reduced, logs)


def _independent_share(above: npt.NDArray[np.bool_]) -> float:
    """Returns one over the mean length of runs above the level: the extremal index, by runs."""
    starts = above & ~np.concatenate([[False], above[:-1]])
    return float(starts.sum() / above.sum()) if above.any() else 1.0


def _persistence(maxima: Array, beside: Array, level: float) -> float:
    followed = (maxima[:-1] > level) & np.isfinite(beside[1:])
    again = beside[1:][followed] > level
    a, b = _PERSISTENCE_PRIOR
    return float((again.sum() + a) / (len(again) + a + b))
