"""Relative pose of two calibrated views from matched directions, with its covariance.

A robust estimator's essential matrix explains most matches and still can be far from the true motion when the baseline
is short or the scene nearly flat. So the motion is refined to the least Sampson error (Hartley and Zisserman, section
11.4.3) from several starts, and it is given only where it is the one clear minimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose
from a2gc_ros.loops.verification.least_squares import Minimum
from a2gc_ros.loops.verification.refinement import TwoViews, linearized, refined, tangents
from a2gc_ros.loops.verification.sampson import Array, Matches, homogeneous

MIN_POINTS: Final = 8
NOISE_SHARE: Final = 1 / 3
"""The spread of well-located features as a share of the inlier tolerance: where the robust cost bends."""

MAX_DIRECTION_STD: Final = 0.12
"""A direction of motion less certain than this many radians is not given."""

RIVAL_COST: Final = 1.15
"""Another minimum whose cost is below this multiple of the best one's makes the motion ambiguous."""

SAME_ROTATION: Final = 0.03
SAME_DIRECTION: Final = 0.3
"""Minima within so many radians of each other are one."""

MIN_IN_FRONT: Final = 0.75
"""Least share of the points with parallax that lie before both cameras."""


@dataclass(frozen=True)
class Motion:
    """A refined motion.

    Attributes:
        pose: ``t_b_a`` with a translation of unit length, or None where it cannot be known.
        covariance: Of the pose, (6, 6), translation before rotation, both in the axes of ``b``; the length of the
            translation is a convention and has no variance.
        inliers: bool (N,), the matches that agree.
    """

    pose: Pose | None
    covariance: Array | None
    inliers: npt.NDArray[np.bool_]
    reason: str = ""


def refine(a: Array, b: Array, essential: Array, tolerance: float) -> Motion:
    """Refines the motion between two views.

    Args:
        a: Directions (x/z, y/z) in one view, float64 (N, 2).
        b: Their matches in the other view.
        essential: An essential matrix near the truth, ``b^T E a = 0``.
        tolerance: Distance of an inlier from its epipolar line, in units of directions.
    """
    rays_a, rays_b = homogeneous(a), homogeneous(b)
    matches = Matches(rays_a, rays_b)
    near = np.abs(matches.errors(essential)) <= tolerance
    if near.sum() < MIN_POINTS:
        return Motion(None, None, near, "too few points for a pose")
    first, second, direction = (np.asarray(part, dtype=np.float64) for part in cv2.decomposeEssentialMat(essential))
    starts = [TwoViews(_nearer(first, second, rays_a[near], rays_b[near]), direction.ravel())]
    turned = rotation_between(rays_a[near], rays_b[near])
    starts += [TwoViews(turned, axis) for axis in np.eye(3, dtype=np.float64)]
    # Over all matches, not only those that the first guess agrees with: they would pull the result towards it.
    scale = tolerance * NOISE_SHARE
    minima = sorted((refined(start, matches, scale) for start in starts), key=lambda minimum: minimum.cost)
    best = minima[0]
    inliers = np.abs(matches.errors(best.motion.essential)) <= tolerance
    if inliers.sum() < MIN_POINTS:
        return Motion(None, None, inliers, "too few points for a pose")
    agreeing = Matches(rays_a[inliers], rays_b[inliers])
    if _covariance(best.motion, agreeing, scale) is None:
        return Motion(None, None, inliers, "the direction of motion cannot be seen")
    if any(_is_rival(best, other) for other in minima[1:]):
        return Motion(None, None, inliers, "two motions explain the views alike")
    chosen = _in_front(best.motion, agreeing, tolerance)
    if chosen is None:
        return Motion(None, None, inliers, "too few points lie before both cameras")
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = chosen
    # Again, for the pose that was chosen: turned about, its rotation and direction are correlated otherwise.
    return Motion(pose, _covariance(chosen, agreeing, scale), inliers)


def _covariance(motion: TwoViews, matches: Matches, scale: float) -> Array | None:
    """Returns the covariance of a pose, or None where the direction is not known well enough."""
    residuals, jacobian = linearized(motion, matches)
    # Features are located to a fraction of a pixel at best, however well a model fits.
    variance = max(float(residuals @ residuals) / (len(matches) - 5), (0.5 * scale) ** 2)
    try:
        five = variance * np.linalg.inv(jacobian.T @ jacobian)
    except np.linalg.LinAlgError:
        return None
    worst = np.linalg.eigvalsh(five[3:, 3:])[-1]
    if not 0 <= worst <= MAX_DIRECTION_STD**2:
        return None
    spread = np.zeros((6, 5))
    spread[:3, 3:] = tangents(motion.direction)
    spread[3:, :3] = np.eye(3)
    return spread @ five @ spread.T


def _is_rival(best: Minimum[TwoViews], other: Minimum[TwoViews]) -> bool:
    """Says whether another minimum is a different motion that explains the views about as well."""
    turn = float(np.linalg.norm(cv2.Rodrigues(best.motion.rotation.T @ other.motion.rotation)[0]))
    # Both signs of the direction have the same epipolar lines.
    apart = float(np.arccos(np.clip(abs(best.motion.direction @ other.motion.direction), 0, 1)))
    different = turn > SAME_ROTATION or apart > SAME_DIRECTION
    return different and other.cost <= RIVAL_COST * best.cost


def _in_front(motion: TwoViews, matches: Matches, tolerance: float) -> TwoViews | None:
    """Chooses among the four motions with the same epipolar lines the one with the points before both cameras."""
    half_turn = 2 * np.outer(motion.direction, motion.direction) - np.eye(3)
    best, most = None, MIN_IN_FRONT
    for rotation in (motion.rotation, half_turn @ motion.rotation):
        # Depths along both rays from lambda_b b = lambda_a R a + t.
        turned = matches.a @ rotation.T
        normal = np.cross(matches.b, turned)
        seen = np.linalg.norm(normal, axis=1) > 2 * tolerance
        if seen.sum() < 5:
            continue
        in_a = -(np.cross(matches.b, motion.direction) * normal).sum(axis=1)[seen]
        in_b = -(np.cross(turned, motion.direction) * normal).sum(axis=1)[seen]
        for sign in (1.0, -1.0):
            share = float(((sign * in_a > 0) & (sign * in_b > 0)).mean())
            if share >= most:
                best, most = TwoViews(rotation, sign * motion.direction), share
    return best


def rotation_between(a: Array, b: Array) -> Array:
    """Returns the rotation that carries directions ``a`` to ``b`` best, leaving out the worse half (Kabsch)."""
    from_a = a / np.linalg.norm(a, axis=1, keepdims=True)
    to_b = b / np.linalg.norm(b, axis=1, keepdims=True)
    used = np.ones(len(a), dtype=bool)
    rotation = np.eye(3)
    for _ in range(4):
        left, _, right = np.linalg.svd(to_b[used].T @ from_a[used])
        rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
        errors = np.linalg.norm(to_b - from_a @ rotation.T, axis=1)
        used = errors <= np.median(errors)
    return rotation


def _nearer(first: Array, second: Array, a: Array, b: Array) -> Array:
    """Returns the rotation that leaves less between the views."""
    return min(first, second, key=lambda rotation: float(np.linalg.norm(b - a @ rotation.T, axis=1).sum()))
