"""Recall@K, with the spread to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError

DEFAULT_KS = (1, 5, 10)

BENCHMARK_KS = (1, 5, 10, 15, 20, 25, 50, 100)
"""What tables of benchmarks report."""

BOOTSTRAP_SAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval that a bootstrap puts around it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Recall:
    """Outcome of a retrieval.

    Attributes:
        ks: The K, ascending.
        hits: bool (Q, len(ks)), whether one of a query's best K is right. Queries without positives are in it, as
            misses.
        answerable: bool (Q,), whether a query has positives.
    """

    ks: tuple[int, ...]
    hits: NDArray[np.bool_]
    answerable: NDArray[np.bool_]

    def at(self, k: int) -> float:
        """Recall@k over all queries."""
        return float(self.hits[:, self._position(k)].mean())

    def interval(self, k: int, *, groups: NDArray[np.int64] | None = None) -> Interval:
        """Recall@k with a 95 % percentile bootstrap over queries.

        Args:
            k: One of ``ks``.
            groups: int64 (Q,); when given, whole groups are drawn (the clips of a walk, whose frames resemble
                each other), which gives the honest, wider interval.
        """
        return _bootstrap(self.hits[:, self._position(k)].astype(np.float64), groups)

    def margin_over(self, other: Recall, k: int, *, groups: NDArray[np.int64] | None = None) -> Interval:
        """Recall@k minus another model's on the same queries, by a paired bootstrap; arguments as in ``interval``.

        Raises:
            ConfigError: The other was asked a different number of queries.
        """
        if len(other.hits) != len(self.hits):
            raise ConfigError(
                f"Recalls over {len(self.hits)} and {len(other.hits)} queries cannot be paired; use the same task."
            )
        own = self.hits[:, self._position(k)].astype(np.float64)
        theirs = other.hits[:, other._position(k)]
        return _bootstrap(own - theirs, groups)

    def _position(self, k: int) -> int:
        if k not in self.ks:
            raise ConfigError(f"Recall@{k} was not computed; there are {', '.join(map(str, self.ks))}.")
        return self.ks.index(k)


def recall(ranked: NDArray[np.int64], positives: Sequence[NDArray[np.int64]], ks: Sequence[int] = DEFAULT_KS) -> Recall:
    """Judges rankings.

    Args:
        ranked: int64 (Q, >= max(ks)), positions in the database, best first, -1 for none.
        positives: For each query, the right positions; a query without any counts as a miss.
        ks: The K.

    Raises:
        ConfigError: There is no query, or the ranking is shorter than the largest K.
    """
    ks = tuple(sorted(ks))
    if not len(ranked) or ranked.shape[1] < ks[-1]:
        raise ConfigError(f"Recall@{ks[-1]} cannot be computed from rankings of shape {ranked.shape}; rank more.")
    right = np.stack([np.isin(row, found) for row, found in zip(ranked, positives, strict=True)])
    hits = np.stack([right[:, :k].any(axis=1) for k in ks], axis=1)
    return Recall(ks, hits, np.array([len(found) > 0 for found in positives]))


def _bootstrap(values: NDArray[np.float64], groups: NDArray[np.int64] | None) -> Interval:
    """95 % percentile bootstrap of a mean, over values or over whole groups of them."""
    codes = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(codes, values)
    counts = np.bincount(codes)
    rng = np.random.default_rng(0)
    means = np.empty(BOOTSTRAP_SAMPLES)
    for sample in range(BOOTSTRAP_SAMPLES):
        drawn = rng.integers(0, len(counts), len(counts))
        means[sample] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))
