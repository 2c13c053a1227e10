"""Several models on the same queries: who recognizes what, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.evaluate import EvaluationResult
from a2gc_ros.evaluation.recall import Interval, Recall


def revisits(outcome: EvaluationResult) -> tuple[Recall, NDArray[np.int64] | None]:
    """Recall over the queries that have something to recognize, and their groups for intervals.

    Raises:
        DatasetError: There is no such query.
    """
    kept = outcome.recall.answerable
    if not kept.any():
        raise DatasetError(
            f"Nothing in {outcome.dataset.name} is seen twice ({outcome.dataset.protocol}), so models cannot be "
            "compared on it; widen --radius, lower --spacing, or give a run that comes back."
        )
    groups = None if outcome.groups is None else outcome.groups[kept]
    return Recall(outcome.recall.ks, outcome.recall.hits[kept], np.ones(int(kept.sum()), bool)), groups


def margin(one: EvaluationResult, other: EvaluationResult, k: int) -> Interval:
    """Recall@k of one model minus that of the other on the revisits, by a bootstrap over the same queries."""
    own, groups = revisits(one)
    return own.margin_over(revisits(other)[0], k, groups=groups)


def differing(outcomes: Sequence[EvaluationResult], most: int) -> NDArray[np.int64]:
    """Queries whose first answer is right by some models and wrong by others, spread over the data set.

    Returns:
        int64 (n,), places in ``scored``.
    """
    first = np.stack([outcome.recall.hits[:, outcome.recall.ks.index(1)] for outcome in outcomes])
    found = np.flatnonzero(first.any(axis=0) & ~first.all(axis=0)).astype(np.int64)
    return found[np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(np.int64))]
