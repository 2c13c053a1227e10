"""Levenberg-Marquardt over motions, where the errors are weighed anew at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import cv2
import numpy as np

from a2gc_ros.geometry import Pose
from a2gc_ros.loops.verification.sampson import Array

T = TypeVar("T")

DAMPING: Final = 1e-3
MOST_DAMPING: Final = 1e6


@dataclass(frozen=True)
class Quadratic:
    """A robust cost about each of K motions.

    Attributes:
        cost: The cost there, (K,).
        gradient: Half its derivative by the parameters of a step, (K, p).
        normal: Half its second derivative as the weighted errors give it, (K, p, p).
    """

    cost: Array
    gradient: Array
    normal: Array


@dataclass(frozen=True)
class Minimum(Generic[T]):
    """A motion at which the cost is least, and what it leaves."""

    motion: T
    cost: float


def cauchy(errors: Array, jacobian: Array, scale: float) -> Quadratic:
    """Returns the sum of ``log(1 + (errors / scale)^2)`` about each motion.

    Args:
        errors: float64 (K, N, k): k coordinates are judged together.
        jacobian: Their derivatives, (K, N, k, p).
        scale: Where the cost bends.
    """
    count, parameters = len(errors), jacobian.shape[-1]
    squares = (errors**2).sum(axis=2) / scale**2
    weights = 1 / (scale**2 * (1 + squares))
    weighed = (weights[:, :, None, None] * jacobian).reshape(count, -1, parameters).swapaxes(1, 2)
    gradient = weighed @ errors.reshape(count, -1, 1)
    return Quadratic(
        np.log1p(squares).sum(axis=1), gradient[:, :, 0], weighed @ jacobian.reshape(count, -1, parameters)
    )


def moved(pose: Pose, step: Array) -> Pose:
    """Returns a pose after a step, (6,): a translation, then a small turn about the axes that the pose is given in."""
    out = pose.copy()
    out[:3, 3] += step[:3]
    out[:3, :3] = np.asarray(cv2.Rodrigues(step[3:])[0]) @ pose[:3, :3]
    return out


def minimized(
    starts: Sequence[T],
    quadratic: Callable[[Sequence[T]], Quadratic],
    stepped: Callable[[T, Array], T],
    *,
    iterations: int,
    converged: Callable[[float, float], bool],
) -> list[Minimum[T]]:
    """Goes to the minimum next to each of some starts; all of them together, since numpy takes as long for one.

    Args:
        starts: Where to begin.
        quadratic: The cost about some motions.
        stepped: A motion after a step, (p,).
        iterations: Most steps from each start, those included that led nowhere.
        converged: Told the cost after a good step and what the step gained, says whether it was the last.
    """
    here, at = list(starts), quadratic(starts)
    cost, gradient, normal = at.cost, at.gradient, at.normal
    damping = np.full(len(here), DAMPING)
    going = list(range(len(here)))
    for _ in range(iterations):
        if not going:
            break
        damped, diagonal = normal[going], np.arange(normal.shape[-1])
        damped[:, diagonal, diagonal] += damping[going, None] * damped[:, diagonal, diagonal] + 1e-12
        steps = -np.linalg.solve(damped, gradient[going][:, :, None])[:, :, 0]
        there = [stepped(here[start], step) for start, step in zip(going, steps, strict=True)]
        at_there = quadratic(there)
        still = []
        for number, start in enumerate(going):
            gained = float(cost[start] - at_there.cost[number])
            if gained > 0:
                here[start], damping[start] = there[number], damping[start] / 5
                cost[start], gradient[start], normal[start] = (
                    part[number] for part in (at_there.cost, at_there.gradient, at_there.normal)
                )
                over = converged(float(cost[start]), gained)
            else:
                damping[start] *= 8
                over = damping[start] > MOST_DAMPING
            if not over:
                still.append(start)
        going = still
    return [Minimum(motion, left) for motion, left in zip(here, cost.tolist(), strict=True)]
