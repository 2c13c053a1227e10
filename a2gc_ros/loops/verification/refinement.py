"""The motion between two views at the nearest minimum of the robust Sampson error.

By PoseLib (Larsson et al., https://github.com/PoseLib/PoseLib) where it is installed, which it is with this package on
x86-64 Linux; elsewhere, as on an aarch64 robot without a compiler, by numpy: the same minimum, some milliseconds later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from a2gc_ros.geometry import skew
from a2gc_ros.loops.verification.least_squares import Minimum, Quadratic, cauchy, minimized
from a2gc_ros.loops.verification.sampson import Array, Matches

try:
    import poselib
except ImportError:
    poselib = None

ITERATIONS: Final = 20
CONVERGED: Final = 1e-5
"""A step that gains less than this share of the cost is the last."""

_STEP_TOLERANCE: Final = 1e-6
_NORMALIZED: Final = {"model": "PINHOLE", "width": 0, "height": 0, "params": [1.0, 1.0, 0.0, 0.0]}
"""A camera whose pixels are directions."""


class TwoViews(NamedTuple):
    """A motion ``t_b_a`` but for its length: the rotation, (3, 3), and the direction of the translation, (3,)."""

    rotation: Array
    direction: Array

    @property
    def essential(self) -> Array:
        """The essential matrix: ``b^T essential a = 0``."""
        return skew(self.direction) @ self.rotation


def refined(start: TwoViews, matches: Matches, scale: float) -> Minimum[TwoViews]:
    """Goes to the minimum next to a start.

    Args:
        start: Where to begin.
        matches: All matches, outliers too: they have bounded weight.
        scale: Error at which the cost, Cauchy's, bends.

    Returns:
        The motion; its cost is the sum of ``log(1 + (error / scale)^2)``.
    """
    return _by_numpy(start, matches, scale) if poselib is None else _by_poselib(start, matches, scale)


def _by_poselib(start: TwoViews, matches: Matches, scale: float) -> Minimum[TwoViews]:
    pose = poselib.CameraPose()
    pose.R, pose.t = start
    options = {"loss_type": "CAUCHY", "loss_scale": scale, "max_iterations": ITERATIONS, "step_tol": _STEP_TOLERANCE}
    pose, _ = poselib.refine_relative_pose(matches.a[:, :2], matches.b[:, :2], pose, _NORMALIZED, _NORMALIZED, options)
    found = TwoViews(np.asarray(pose.R), np.asarray(pose.t) / np.linalg.norm(pose.t))
    errors = matches.errors(found.essential)
    return Minimum(found, float(np.log1p((errors / scale) ** 2).sum()))


def _by_numpy(start: TwoViews, matches: Matches, scale: float) -> Minimum[TwoViews]:
    def quadratic(motions: Sequence[TwoViews]) -> Quadratic:
        errors, jacobians = zip(*(linearized(motion, matches) for motion in motions), strict=True)
        return cauchy(np.stack(errors)[:, :, None], np.stack(jacobians)[:, :, None], scale)

    return minimized(
        [start],
        quadratic,
        _moved,
        iterations=ITERATIONS,
        converged=lambda cost, gained: gained < CONVERGED * cost,
    )[0]


def linearized(motion: TwoViews, matches: Matches) -> tuple[Array, Array]:
    """Returns errors (N,) and their derivatives (N, 5) by the rotation (3) and the direction (2)."""
    errors, by_motion = matches.linearized(*motion)
    return errors, np.hstack([by_motion[:, 3:], by_motion[:, :3] @ tangents(motion.direction)])


def _moved(motion: TwoViews, step: Array) -> TwoViews:
    turn = np.asarray(cv2.Rodrigues(step[:3])[0])
    towards = motion.direction + tangents(motion.direction) @ step[3:]
    return TwoViews(turn @ motion.rotation, towards / np.linalg.norm(towards))


def tangents(direction: Array) -> Array:
    """Returns two unit vectors across a direction, (3, 2)."""
    cross = skew(direction)
    first = cross[:, int(np.argmin(np.abs(direction)))]
    first = first / np.linalg.norm(first)
    return np.stack([first, cross @ first], axis=1)
