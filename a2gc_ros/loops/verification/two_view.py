"""Relative pose of two calibrated views from matched directions, with its covariance.

A robust estimator's essential matrix explains most matches and still can be far from the true motion when the baseline
is short or the scene nearly flat. So the motion is refined to the least Sampson error (Hartley and Zisserman, section
11.4.3) from several starts, and it is given only where it is the one clear minimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose

Points: TypeAlias = npt.NDArray[np.float64]
Matrix: TypeAlias = npt.NDArray[np.float64]

ITERATIONS: Final = 20
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
        reason: Why there is no pose.
    """

    pose: Pose | None
    covariance: Matrix | None
    inliers: npt.NDArray[np.bool_]
    reason: str = ""


@dataclass(frozen=True)
class _Minimum:
    rotation: Matrix
    direction: Matrix
    cost: float


def refine(a: Points, b: Points, essential: Matrix, tolerance: float) -> Motion:
    """Refines the motion between two views.

    Args:
        a: Normalised image points of one view, float64 (N, 2).
        b: Their matches in the other view.
        essential: An essential matrix near the truth, ``b^T E a = 0``.
        tolerance: Distance of an inlier from its epipolar line, in normalised units.
    """
    rays_a, rays_b = homogeneous(a), homogeneous(b)
    near = np.abs(_sampson(essential, rays_a, rays_b)) <= tolerance
    if near.sum() < MIN_POINTS:
        return Motion(None, None, near, "too few points for a pose")
    first, second, direction = (np.asarray(part, dtype=np.float64) for part in cv2.decomposeEssentialMat(essential))
    starts = [(_nearer(first, second, rays_a[near], rays_b[near]), direction.ravel())]
    turned = rotation_between(rays_a[near], rays_b[near])
    starts += [(turned, axis) for axis in np.eye(3, dtype=np.float64)]
    # Over all matches, not only those that the first guess agrees with: they would pull the result towards it.
    scale = tolerance * NOISE_SHARE
    minima = sorted(
        (_minimise(rotation, towards, rays_a, rays_b, scale) for rotation, towards in starts),
        key=lambda minimum: minimum.cost,
    )
    best = minima[0]
    inliers = np.abs(_sampson(skew(best.direction) @ best.rotation, rays_a, rays_b)) <= tolerance
    if inliers.sum() < MIN_POINTS:
        return Motion(None, None, inliers, "too few points for a pose")
    if _covariance(best.rotation, best.direction, rays_a[inliers], rays_b[inliers], scale) is None:
        return Motion(None, None, inliers, "the direction of motion cannot be seen")
    if any(_is_rival(best, other) for other in minima[1:]):
        return Motion(None, None, inliers, "two motions explain the views alike")
    pose = _in_front(best, rays_a[inliers], rays_b[inliers], tolerance)
    if pose is None:
        return Motion(None, None, inliers, "too few points lie before both cameras")
    # Again, for the pose that was chosen: turned about, its rotation and direction are correlated otherwise.
    covariance = _covariance(pose[:3, :3], pose[:3, 3], rays_a[inliers], rays_b[inliers], scale)
    return Motion(pose, covariance, inliers)


def _minimise(rotation: Matrix, direction: Matrix, a: Points, b: Points, scale: float) -> _Minimum:
    """Levenberg-Marquardt on rotation and direction with Cauchy weights."""
    damping = 1e-3
    cost = _cost(rotation, direction, a, b, scale)
    for _ in range(ITERATIONS):
        residuals, jacobian = _linearised(rotation, direction, a, b)
        weights = 1 / (1 + (residuals / scale) ** 2)
        normal = jacobian.T @ (weights[:, None] * jacobian)
        gradient = jacobian.T @ (weights * residuals)
        step = -np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), gradient)
        moved = _moved(rotation, direction, step)
        moved_cost = _cost(*moved, a, b, scale)
        if moved_cost < cost:
            improvement = cost - moved_cost
            (rotation, direction), cost, damping = moved, moved_cost, damping / 5
            if improvement < 1e-5 * cost:
                break
        else:
            damping *= 8
            if damping > 1e6:
                break
    return _Minimum(rotation, direction, cost)


def _cost(rotation: Matrix, direction: Matrix, a: Points, b: Points, scale: float) -> float:
    residuals = _sampson(skew(direction) @ rotation, a, b)
    return float(np.log1p((residuals / scale) ** 2).sum())


def _linearised(rotation: Matrix, direction: Matrix, a: Points, b: Points) -> tuple[Points, Matrix]:
    """Returns residuals (N,) and their derivatives (N, 5) by the rotation (3) and the direction (2)."""
    cross = skew(direction)
    essential = cross @ rotation
    changes = [cross @ turn @ rotation for turn in TURNS]
    changes += [skew(tangent) @ rotation for tangent in _tangents(direction).T]
    lines_b, lines_a = a @ essential.T, b @ essential[:, :2]
    lengths = line_lengths(lines_b, lines_a)
    residuals = (b * lines_b).sum(axis=1) / lengths
    jacobian = np.empty((len(a), 5))
    for column, change in enumerate(changes):
        moved_b, moved_a = a @ change.T, b @ change[:, :2]
        stretch = ((lines_b * moved_b)[:, :2].sum(axis=1) + (lines_a * moved_a).sum(axis=1)) / lengths
        jacobian[:, column] = ((b * moved_b).sum(axis=1) - residuals * stretch) / lengths
    return residuals, jacobian


def _moved(rotation: Matrix, direction: Matrix, step: Matrix) -> tuple[Matrix, Matrix]:
    turn = np.asarray(cv2.Rodrigues(step[:3])[0])
    towards = direction + _tangents(direction) @ step[3:]
    return turn @ rotation, towards / np.linalg.norm(towards)


def _tangents(direction: Matrix) -> Matrix:
    """Returns two unit vectors across a direction, (3, 2)."""
    cross = skew(direction)
    first = cross[:, int(np.argmin(np.abs(direction)))]
    first = first / np.linalg.norm(first)
    return np.stack([first, cross @ first], axis=1)


def _covariance(rotation: Matrix, direction: Matrix, a: Points, b: Points, scale: float) -> Matrix | None:
    """Returns the covariance of a pose, or None where the direction is not known well enough."""
    residuals, jacobian = _linearised(rotation, direction, a, b)
    # Features are located to a fraction of a pixel at best, however well a model fits.
    variance = max(float(residuals @ residuals) / (len(a) - 5), (0.5 * scale) ** 2)
    try:
        five = variance * np.linalg.inv(jacobian.T @ jacobian)
    except np.linalg.LinAlgError:
        return None
    worst = np.linalg.eigvalsh(five[3:, 3:])[-1]
    if not 0 <= worst <= MAX_DIRECTION_STD**2:
        return None
    spread = np.zeros((6, 5))
    spread[:3, 3:] = _tangents(direction)
    spread[3:, :3] = np.eye(3)
    return spread @ five @ spread.T


def _is_rival(best: _Minimum, other: _Minimum) -> bool:
    """Says whether another minimum is a different motion that explains the views about as well."""
    turn = float(np.linalg.norm(cv2.Rodrigues(best.rotation.T @ other.rotation)[0]))
    # Both signs of the direction have the same epipolar lines.
    apart = float(np.arccos(np.clip(abs(best.direction @ other.direction), 0, 1)))
    different = turn > SAME_ROTATION or apart > SAME_DIRECTION
    return different and other.cost <= RIVAL_COST * best.cost


def _in_front(minimum: _Minimum, a: Points, b: Points, tolerance: float) -> Pose | None:
    """Chooses among the four motions with the same epipolar lines the one with the points before both cameras."""
    half_turn = 2 * np.outer(minimum.direction, minimum.direction) - np.eye(3)
    best, most = None, MIN_IN_FRONT
    for rotation in (minimum.rotation, half_turn @ minimum.rotation):
        for direction in (minimum.direction, -minimum.direction):
            # Depths along both rays from lambda_b b = lambda_a R a + t.
            turned = a @ rotation.T
            normal = np.cross(b, turned)
            seen = np.linalg.norm(normal, axis=1) > 2 * tolerance
            if seen.sum() < 5:
                continue
            in_a = -(np.cross(b, direction) * normal).sum(axis=1)
            in_b = -(np.cross(turned, direction) * normal).sum(axis=1)
            share = float(((in_a > 0) & (in_b > 0))[seen].mean())
            if share >= most:
                best, most = (rotation, direction), share
    if best is None:
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = best
    return pose


def rotation_between(a: Points, b: Points) -> Matrix:
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


def _nearer(first: Matrix, second: Matrix, a: Points, b: Points) -> Matrix:
    """Returns the rotation that leaves less between the views."""
    return min(first, second, key=lambda rotation: float(np.linalg.norm(b - a @ rotation.T, axis=1).sum()))


def _sampson(essential: Matrix, a: Points, b: Points) -> Points:
    """Returns the signed Sampson error of each match, in normalised units."""
    lines_b = a @ essential.T
    return (b * lines_b).sum(axis=1) / line_lengths(lines_b, b @ essential[:, :2])


def line_lengths(lines_b: Points, lines_a: Points) -> Points:
    """Returns the norm of the first two coordinates of both epipolar lines together."""
    squares = (lines_b[:, :2] ** 2).sum(axis=1) + (lines_a**2).sum(axis=1)
    return np.sqrt(np.maximum(squares, 1e-24))


def homogeneous(points: Points) -> Points:
    """Returns (x, y, 1) of points (N, 2)."""
    return np.hstack([points, np.ones((len(points), 1))])


def skew(v: Matrix) -> Matrix:
    """Returns the matrix of the cross product: ``skew(v) @ w == np.cross(v, w)``."""
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])


TURNS: Final = tuple(skew(axis) for axis in np.eye(3, dtype=np.float64))
"""Derivatives of a rotation by small turns about the axes."""
