"""Levenberg-Marquardt over motions, where the errors are weighed anew at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
T = TypeVar("T")

DAMPING: Final = 1e-3
MOST_DAMPING: Final = 1e6


@dataclass(frozen=True)
class Quadratic:
    """A robust cost about one motion.

    Attributes:
        cost: The cost there.
        gradient: Half its derivative by the parameters of a step, (p,).
        normal: Half its second derivative as the weighted errors give it, (p, p).
    """

    cost: float
    gradient: Array
    normal: Array


def cauchy(errors: Array, jacobian: Array, scale: float | Array) -> Quadratic:
    """Returns the sum of ``scale^2 log(1 + (errors / scale)^2)`` over scale squared, about one motion.

    Args:
        errors: float64 (N,), or (N, k) for errors of k coordinates that are judged together.
        jacobian: Their derivatives, (N, p) or (N, k, p).
        scale: Where the cost bends.
    """
    errors, jacobian = errors.reshape(len(errors), -1), jacobian.reshape(len(errors), -1, jacobian.shape[-1])
    squares = (errors**2).sum(axis=1) / scale**2
    weights = 1 / (scale**2 * (1 + squares))
    weighed = (weights[:, None, None] * jacobian).reshape(-1, jacobian.shape[-1])
    flat = jacobian.reshape(-1, jacobian.shape[-1])
    return Quadratic(
        float(np.log1p(squares).sum()), np.asarray(weighed.T @ errors.ravel(), dtype=np.float64), weighed.T @ flat
    )


def minimised(
    start: T,
    quadratic: Callable[[T], Quadratic],
    moved: Callable[[T, Array], T],
    *,
    iterations: int,
    converged: Callable[[float, float], bool],
) -> tuple[T, float]:
    """Goes to the minimum next to a start.

    Args:
        start: Where to begin.
        quadratic: The cost about a motion.
        moved: A motion after a step, (p,).
        iterations: Most steps, those included that led nowhere.
        converged: Told the cost after a good step and what the step gained, says whether it was the last.

    Returns:
        The motion and its cost.
    """
    here, at, damping = start, quadratic(start), DAMPING
    for _ in range(iterations):
        damped = at.normal + np.diag(damping * np.diag(at.normal) + 1e-12)
        step: Array = -np.linalg.solve(damped, at.gradient).astype(np.float64, copy=False)
        there = moved(here, step)
        at_there = quadratic(there)
        if at_there.cost < at.cost:
            gained = at.cost - at_there.cost
            here, at, damping = there, at_there, damping / 5
            if converged(at.cost, gained):
                break
        else:
            damping *= 8
            if damping > MOST_DAMPING:
                break
    return here, at.cost
