"""The pose of a camera among landmarks, in metres, and how sure it is.

Every landmark is a direction and an inverse depth with a covariance, so near and far ones, and those of unknown depth,
stand in one sum: the squared distances of the projected landmarks from the query's features, each weighed with the
inverse of its own covariance (the feature's noise and the projected landmark's together). The least is found by
Levenberg-Marquardt with Cauchy weights from several starts: the landmarks' uncertainty is included to first order, as
eliminating them from a bundle adjustment would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.verification.clusters import shared_errors
from a2gc_ros.loops.verification.landmarks import Landmarks, projected
from a2gc_ros.loops.verification.least_squares import Minimum, Quadratic, cauchy, minimized, moved
from a2gc_ros.loops.verification.sampson import Array, homogeneous

ITERATIONS: Final = 25
CONVERGED: Final = 1e-3
"""A step that gains less than this, in units of twice the logarithm of a likelihood, is the last."""

NEAR: Final = 0.1
"""The same on the way from a start: with the noise as it turns out to be, the minimum is looked for once more."""

CAUCHY_SCALE: Final = 2.0
"""Whitened errors at which the cost bends: minus twice the logarithm of a Cauchy likelihood, this scale squared times
the sum of the logarithms."""

INLIER_SQUARED: Final = 11.8
"""Squared errors over their variance up to this are inliers: 99.7 % of a chi-square with two degrees of freedom."""

SQUARE_80: Final = 3.219
"""80 % of the values of a chi-square variable with two degrees of freedom lie below; as for the neighbors' motion."""

NOISE_FACTORS: Final = (0.5, 4.0)
"""Bounds of how far the query's noise may be from the landmarks'."""

NEAREST: Final = 0.01
"""What lies less than this share of its distance from the keyframe before the query, or behind it, is not seen by it:
beside the camera a projection runs to infinity."""

SURELY: Final = 3.0
"""Standard deviations by which an inverse depth must exceed zero to tell about the camera's position."""

WELL_KNOWN: Final = 0.25
"""Landmarks whose inverse depth is known to this share serve the minimal solver."""

MIN_KNOWN: Final = 10
"""Landmarks of known depth that a position needs."""

_RANSAC_PIXELS: Final = 6.0
"""Tolerance of the minimal solver in units of the feature's noise: landmarks are less sure than features."""


@dataclass(frozen=True)
class CameraPose:
    """A camera among landmarks.

    Attributes:
        pose: ``t_keyframe_query`` between the two cameras, metres.
        covariance: (6, 6), translation before rotation, in the axes of the keyframe's camera.
        inliers: bool (N,), the landmarks that agree.
        near: How many of them are surely not at infinity: only they tell the position.
        cost: What the best pose leaves.
    """

    pose: Pose
    covariance: Array
    inliers: npt.NDArray[np.bool_]
    near: int
    cost: float


def locate(landmarks: Landmarks, rays: Array, noise: Array, starts: Sequence[Pose]) -> list[CameraPose]:
    """Finds the pose of the query's camera.

    Args:
        landmarks: Those of the keyframe that were matched.
        rays: Their matches' directions (x/z, y/z) in the query, float64 (N, 2).
        noise: Standard deviations of the query's directions, (N,).
        starts: Guesses of ``t_keyframe_query``.

    Returns:
        The distinct minima, best first; empty where nothing can be computed.
    """
    guesses = [*starts, *_minimal(landmarks, rays, noise)]
    minima = _distinct(_minimize(guesses, landmarks, rays, noise, NEAR))
    if not minima:
        return []
    # Another light places features less exactly than the landmarks were; what the best pose leaves tells how much.
    squares = _linearized(minima[0].motion[None], landmarks, rays, noise).squares
    noise = noise * float(np.clip(np.sqrt(np.quantile(squares, 0.8) / SQUARE_80), *NOISE_FACTORS))
    minima = _distinct(_minimize([minimum.motion for minimum in minima], landmarks, rays, noise, CONVERGED))
    found = [_with_covariance(minimum, landmarks, rays, noise) for minimum in minima]
    return [pose for pose in found if pose is not None]


def scaled_start(landmarks: Landmarks, rays: Array, direction: Pose) -> Pose | None:
    """Gives a motion of unit length the length that the landmarks want.

    Args:
        landmarks: Those that were matched.
        rays: Their matches in the query, (N, 2).
        direction: ``t_keyframe_query`` with a translation of unit length.
    """
    known = landmarks.known & (landmarks.inverse_depths > 1e-3)
    if known.sum() < MIN_KNOWN:
        return None
    t_query_keyframe = geometry.inverse(direction)
    turned = homogeneous(landmarks.rays[known]) @ t_query_keyframe[:3, :3].T
    towards = t_query_keyframe[:3, 3]
    # (x, y) z' = z (x', y') along the line, linear in the length s: p = turned + s d towards.
    seen = rays[known]
    slope = landmarks.inverse_depths[known, None] * (towards[:2] - seen * towards[2])
    offset = seen * turned[:, 2:] - turned[:, :2]
    lengths = (slope * offset).sum(axis=1) / np.maximum((slope**2).sum(axis=1), 1e-18)
    scaled = direction.copy()
    scaled[:3, 3] *= float(np.clip(np.median(lengths), 0.01, 50.0))
    return scaled


def _minimal(landmarks: Landmarks, rays: Array, noise: Array) -> list[Pose]:
    """Solves for the pose from samples of points alone, which needs neither parallax nor a guess."""
    inverse = landmarks.inverse_depths
    well = landmarks.known & (np.sqrt(landmarks.covariances[:, 2, 2]) < WELL_KNOWN * inverse)
    if well.sum() < MIN_KNOWN:
        return []
    points = homogeneous(landmarks.rays[well]) / inverse[well, None]
    try:
        done, turn, shift, _ = cv2.solvePnPRansac(
            points,
            rays[well],
            np.eye(3),
            np.zeros(4),
            flags=cv2.SOLVEPNP_SQPNP,
            reprojectionError=_RANSAC_PIXELS * float(np.median(noise)),
            iterationsCount=200,
            confidence=0.999,
        )
    except cv2.error:
        return []
    if not done or not (np.isfinite(turn).all() and np.isfinite(shift).all()):
        return []
    t_query_keyframe = np.eye(4)
    t_query_keyframe[:3, :3], t_query_keyframe[:3, 3] = cv2.Rodrigues(turn)[0], shift.ravel()
    return [geometry.inverse(t_query_keyframe)]


@dataclass(frozen=True)
class _Linear:
    """Errors of the landmarks at K poses and how they change; the errors' covariances are factored out.

    Attributes:
        squares: (K, N), squared errors over their variances.
        errors: (K, N, 2), whitened.
        by_pose: (K, N, 2, 6), derivative of the whitened projection by the pose.
        by_inverse_depth: (K, N, 2), by the inverse depth.
        near: bool (K, N), whether an inverse depth is surely above zero.
    """

    squares: Array
    errors: Array
    by_pose: Array
    by_inverse_depth: Array
    near: npt.NDArray[np.bool_]


def _linearized(poses: Array, landmarks: Landmarks, rays: Array, noise: Array) -> _Linear:
    """Projects the landmarks: p = R^T (m - d t) for each ``t_keyframe_query`` = (R, t) of (K, 4, 4)."""
    rotation, translation = poses[:, :3, :3], poses[:, :3, 3]
    inverse, shape = landmarks.inverse_depths, (len(poses), len(rays), 2)
    shifted = homogeneous(landmarks.rays) - inverse[:, None] * translation[:, None]
    before_query = shifted @ rotation
    moved, by_point = projected(before_query)
    unseen = before_query[:, :, 2] < NEAREST
    by_point[unseen] = 0
    flat = by_point.reshape(len(poses), -1, 3) @ rotation.swapaxes(1, 2)
    by_shifted = flat.reshape(*shape, 3)
    by_landmark = by_shifted.copy()
    by_landmark[..., 2] = -(flat @ translation[:, :, None]).reshape(shape)
    carried = by_landmark @ landmarks.covariances
    # Errors and all their derivatives are whitened at once: the error, the covariance's and the landmark's share of the
    # inverse depth, then the pose's.
    columns = np.empty((*shape, 9))
    columns[..., 0] = rays - moved
    columns[..., 1], columns[..., 2] = carried[..., 2], by_landmark[..., 2]
    columns[..., 3:6] = -by_shifted
    # A turn of the camera by w about the keyframe's axes turns the point the other way.
    columns[..., 6:9] = _crossed(by_shifted, shifted)
    white = _whitened(columns, (carried * by_landmark).sum(axis=-1) + (noise**2)[:, None], carried, by_landmark)
    errors, pull, by_pose = white[..., 0], white[..., 1], white[..., 3:]
    # What the query says about the inverse depth: the derivative belongs to the depth that both together want, or
    # noise in the landmarks would draw the camera towards the keyframe.
    wanted = inverse + (pull * errors).sum(axis=-1)
    left = np.maximum(landmarks.covariances[:, 2, 2] - (pull**2).sum(axis=-1), 0)
    by_pose[..., :3] *= wanted[..., None, None]
    errors[unseen] = 1e3
    return _Linear((errors**2).sum(axis=-1), errors, by_pose, white[..., 2], wanted > SURELY * np.sqrt(left))


def _crossed(rows: Array, vectors: Array) -> Array:
    """Returns the cross products of rows (..., 2, 3) with vectors (..., 3)."""
    a, b = np.moveaxis(rows, -1, 0), np.moveaxis(vectors, -1, 0)[..., None]
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=-1)


def _whitened(columns: Array, variances: Array, carried: Array, by_landmark: Array) -> Array:
    """Divides columns (..., 2, k) by the Cholesky root of the errors' covariances, written out for two coordinates."""
    first = np.sqrt(variances[..., 0])
    mixed = (carried[..., 0, :] * by_landmark[..., 1, :]).sum(axis=-1) / first
    second = np.sqrt(variances[..., 1] - mixed**2)
    white = np.empty_like(columns)
    white[..., 0, :] = columns[..., 0, :] / first[..., None]
    white[..., 1, :] = (columns[..., 1, :] - mixed[..., None] * white[..., 0, :]) / second[..., None]
    return white


def _minimize(
    poses: Sequence[Pose], landmarks: Landmarks, rays: Array, noise: Array, converged: float
) -> list[Minimum[Pose]]:
    def quadratic(at_poses: Sequence[Pose]) -> Quadratic:
        at = _linearized(np.stack(at_poses), landmarks, rays, noise)
        # By the camera's motion the errors change the other way than the projections.
        return cauchy(at.errors, -at.by_pose, CAUCHY_SCALE)

    found = minimized(
        poses,
        quadratic,
        moved,
        iterations=ITERATIONS,
        converged=lambda _, gained: CAUCHY_SCALE**2 * gained < converged,
    )
    return [replace(minimum, cost=CAUCHY_SCALE**2 * minimum.cost) for minimum in found]


def _distinct(minima: Sequence[Minimum[Pose]]) -> list[Minimum[Pose]]:
    """Returns minima, best first, without those that another start had found already."""
    kept: list[Minimum[Pose]] = []
    for minimum in sorted(minima, key=lambda m: m.cost):
        if all(geometry.distance(minimum.motion, other.motion) > 0.02 for other in kept):
            kept.append(minimum)
    return kept


def _with_covariance(minimum: Minimum[Pose], landmarks: Landmarks, rays: Array, noise: Array) -> CameraPose | None:
    """Adds the covariance: of the features' noise, and of the motions that landmarks have in common."""
    at = _linearized(minimum.motion[None], landmarks, rays, noise)
    inliers, errors, is_near = at.squares[0] <= INLIER_SQUARED, at.errors[0], at.near[0]
    freedom = 2 * int(inliers.sum()) - 6 - int((inliers & ~landmarks.known).sum())
    if freedom < 1:
        return None
    by_pose, by_depth = at.by_pose[0, inliers], at.by_inverse_depth[0, inliers]
    # An inverse depth that might as well be zero is nothing but squared noise in the information about the position.
    by_pose[~is_near[inliers], :, :3] = 0
    try:
        inverse = np.linalg.inv(np.einsum("nij,nik->jk", by_pose, by_pose) + np.diag([1e-6] * 3 + [0.0] * 3))
    except np.linalg.LinAlgError:
        return None
    # The features' noise was assumed; what the fit leaves tells whether they are worse.
    factor = max(1.0, float(at.squares[0, inliers].sum()) / freedom)
    pulls_on_pose = np.einsum("nij,ni->nj", by_pose, errors[inliers])
    covariance = factor * inverse + shared_errors(landmarks.rays[inliers], pulls_on_pose, inverse)
    pulls = np.einsum("nij,ni->nj", by_pose, by_depth)
    for number, of_motion in enumerate(landmarks.motions):
        here = landmarks.groups[inliers] == number
        carried = inverse @ pulls[here].T @ landmarks.by_motion[inliers][here]
        covariance = covariance + carried @ of_motion @ carried.T
    near = int((inliers & is_near & landmarks.known).sum())
    return CameraPose(minimum.motion, covariance, inliers, near, minimum.cost)
