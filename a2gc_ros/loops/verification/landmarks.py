"""How far away the features of a keyframe are, in metres.

From a depth image, or by triangulation with the keyframe's neighbors, whose distance odometry knows. A landmark is the
direction of its feature in the keyframe and an inverse depth: what is far away has one near zero with an ordinary
variance, where its depth would be anything (Civera, Davison, Montiel, IEEE T-RO 2008).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.loops.verification.features import match_into
from a2gc_ros.loops.verification.neighbor_motion import NeighborMotion, refine_motion
from a2gc_ros.loops.verification.sampson import Array, homogeneous
from a2gc_ros.loops.verification.views import View

DEPTH_NOISE: Final = 0.003
"""Standard deviation of a depth camera's inverse depth, 1/metres: a tenth of a pixel of disparity at 640 pixels of
focal length and 50 mm between the eyes, as common active stereo cameras have."""

UNKNOWN_STD: Final = 1.0
"""Standard deviation of the inverse depth of a feature of which nothing is known, 1/metres: anywhere beyond a metre."""

KNOWN_STD: Final = 0.1
"""An inverse depth less sure than this, 1/metres, is not known: anything from 5 m to infinity."""

SAME_INVERSE_DEPTH: Final = 1e-6
"""A step below this, 1/metres, is the last."""

MIN_COMMON: Final = 12
"""Features that a neighbor must share with the keyframe for its motion to be trusted."""


@dataclass(frozen=True)
class Landmarks:
    """Directions and inverse depths of features of a keyframe, in its optical frame.

    Attributes:
        rays: float64 (N, 2), (x/z, y/z).
        inverse_depths: float64 (N,), 1/metres; 0 where unknown.
        covariances: float64 (N, 3, 3) of (x/z, y/z, inverse depth), from the noise of the features alone.
        known: bool (N,), where an inverse depth was measured.
        groups: int64 (N,), which of ``motions`` an inverse depth came from; -1 for none.
        by_motion: float64 (N, 6), derivative of the inverse depth by the error of that motion.
        noise_factor: What the noise of features turned out to be, as a multiple of what was expected.
        motions: Covariance of the motion to each neighbor, (6, 6) each: what landmarks of one group have in common.
    """

    rays: Array
    inverse_depths: Array
    covariances: Array
    known: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]
    by_motion: Array
    noise_factor: float = 1.0
    motions: tuple[Array, ...] = ()

    def take(self, used: npt.NDArray[np.int64]) -> Landmarks:
        """Returns the landmarks with these indices, (M,)."""
        return self.each(lambda column: column[used])

    def each(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Landmarks:
        """Returns them with every column changed."""
        names = "rays", "inverse_depths", "covariances", "known", "groups", "by_motion"
        columns: dict[str, Any] = {name: change(getattr(self, name)) for name in names}
        return replace(self, **columns)


@dataclass(frozen=True)
class Overlap:
    """What two neighboring keyframes see in common.

    Attributes:
        pairs: int64 (N, 2), matches that agree with the motion: indices of features of one and of the other.
        motion: From one to the other.
    """

    pairs: npt.NDArray[np.int64]
    motion: NeighborMotion

    def reversed(self) -> Overlap:
        """Returns the same, the other keyframe first."""
        return Overlap(self.pairs[:, ::-1], self.motion.reversed())


class LandmarkCache:
    """Landmarks of keyframes, for as long as their views are remembered: they are the keyframe's own, whoever looks.

    So is what two neighbors have in common, which both ask for. Several threads may ask at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measuring: WeakKeyDictionary[View, threading.Lock] = WeakKeyDictionary()
        self._landmarks: WeakKeyDictionary[View, tuple[list[weakref.ref[View]], Landmarks]] = WeakKeyDictionary()
        self._overlaps: WeakKeyDictionary[View, WeakKeyDictionary[View, Overlap | None]] = WeakKeyDictionary()

    def of(self, keyframe: View) -> Landmarks:
        """Returns what :func:`measure` says; a keyframe that has got another neighbor since is measured again."""
        neighbors = keyframe.neighbors()
        names = [weakref.ref(neighbor) for neighbor in neighbors]
        with self._lock:
            measuring = self._measuring.setdefault(keyframe, threading.Lock())
        # Who comes while another thread measures has it sooner by waiting.
        with measuring:
            with self._lock:
                kept = self._landmarks.get(keyframe)
            if kept is None or kept[0] != names:
                kept = names, measure(keyframe, neighbors, self._overlap)
                with self._lock:
                    self._landmarks[keyframe] = kept
        return kept[1]

    def _overlap(self, a: View, b: View) -> Overlap | None:
        with self._lock:
            of_a = self._overlaps.setdefault(a, WeakKeyDictionary())
            if b in of_a:
                return of_a[b]
        shared = overlap(a, b)
        with self._lock:
            of_a[b] = shared
        return shared


def overlap(a: View, b: View) -> Overlap | None:
    """Finds what two keyframes of one session have in common, and the motion between them.

    None where that is too little, or contradicts odometry.
    """
    if a.rays is None or b.rays is None or a.t_odom_camera is None or b.t_odom_camera is None:
        return None
    pairs = match_into(a.features, b.features)
    if len(pairs) < MIN_COMMON:
        return None
    in_a, in_b = pairs.T
    expected = geometry.relative(b.t_odom_camera, a.t_odom_camera)
    noise = np.sqrt((a.noise[in_a] ** 2 + b.noise[in_b] ** 2) / 2)
    motion = refine_motion(a.rays[in_a], b.rays[in_b], expected, noise)
    if motion is None or motion.inliers.sum() < MIN_COMMON:
        return None
    return Overlap(pairs[motion.inliers], motion)


def measure(
    keyframe: View,
    neighbors: Sequence[View] | None = None,
    common: Callable[[View, View], Overlap | None] = overlap,
) -> Landmarks:
    """Measures how far away the features of a calibrated keyframe are.

    Args:
        keyframe: The keyframe.
        neighbors: Views of the keyframes nearby, where they were looked up already.
        common: What two keyframes have in common, the earlier one first.
    """
    assert keyframe.rays is not None
    landmarks = _unknown(keyframe.rays, keyframe.noise)
    if keyframe.features.inverse_depths is not None:
        landmarks = _from_depth(landmarks, keyframe.features.inverse_depths.astype(np.float64))
    for neighbor in keyframe.neighbors() if neighbors is None else neighbors:
        # Whichever of the two asks, the answer is the same.
        if neighbor.number < keyframe.number:
            shared = common(neighbor, keyframe)
            shared = None if shared is None else shared.reversed()
        else:
            shared = common(keyframe, neighbor)
        if shared is not None:
            landmarks = _with_neighbor(landmarks, keyframe, neighbor, shared)
    return landmarks


def _unknown(rays: Array, noise: Array) -> Landmarks:
    covariances = np.zeros((len(rays), 3, 3))
    covariances[:, [0, 1], [0, 1]] = noise[:, None] ** 2
    covariances[:, 2, 2] = UNKNOWN_STD**2
    return Landmarks(
        rays,
        np.zeros(len(rays)),
        covariances,
        np.zeros(len(rays), dtype=bool),
        np.full(len(rays), -1, dtype=np.int64),
        np.zeros((len(rays), 6)),
    )


def _from_depth(landmarks: Landmarks, inverse: Array) -> Landmarks:
    known = np.isfinite(inverse)
    covariances = landmarks.covariances.copy()
    covariances[known, 2, 2] = DEPTH_NOISE**2
    return replace(landmarks, inverse_depths=np.where(known, inverse, 0), covariances=covariances, known=known)


def _with_neighbor(landmarks: Landmarks, keyframe: View, neighbor: View, shared: Overlap) -> Landmarks:
    """Adds what one neighbor tells; where two tell of one feature, the surer one is believed."""
    assert neighbor.rays is not None
    (rows, theirs), motion, factor = shared.pairs.T, shared.motion, shared.motion.noise_factor
    noise, their_noise = factor * keyframe.noise[rows], factor * neighbor.noise[theirs]
    found = triangulate(landmarks.rays[rows], neighbor.rays[theirs], motion.pose, noise, their_noise)
    better = found.in_front & (found.covariances[:, 2, 2] < landmarks.covariances[rows, 2, 2])
    group = len(landmarks.motions)
    at = rows[better]
    out = replace(
        landmarks.each(np.copy),
        noise_factor=factor if group == 0 else max(factor, landmarks.noise_factor),
        motions=(*landmarks.motions, motion.covariance),
    )
    out.inverse_depths[at] = found.inverse_depths[better]
    out.covariances[at] = found.covariances[better]
    out.by_motion[at] = found.by_motion[better]
    out.known[at], out.groups[at] = True, group
    return out


@dataclass(frozen=True)
class Triangulated:
    """Inverse depths from two views; the fields are those of :class:`Landmarks`."""

    inverse_depths: Array
    covariances: Array
    by_motion: Array
    in_front: npt.NDArray[np.bool_]


def triangulate(a: Array, b: Array, t_b_a: Array, noise_a: Array, noise_b: Array) -> Triangulated:
    """Finds inverse depths in view ``a`` from matched directions.

    A point with the direction m and the inverse depth d in ``a`` appears in ``b`` where R m + d t points to. The
    least-squares d is found by Gauss-Newton; its derivatives follow from the normal equation, which it keeps at zero.

    Args:
        a: Directions (x/z, y/z), float64 (N, 2).
        b: Their matches in the other view.
        t_b_a: The motion, with a translation in metres.
        noise_a: Standard deviations of the directions in ``a``, (N,).
        noise_b: Of those in the other view.
    """
    rotation, translation = t_b_a[:3, :3], t_b_a[:3, 3]
    turned = homogeneous(a) @ rotation.T
    inverse = np.full(len(a), 0.05)
    for _ in range(6):
        moved, by_point = projected(turned + inverse[:, None] * translation)
        along = by_point @ translation
        before = inverse
        inverse = inverse + ((b - moved) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-18)
        inverse = np.clip(inverse, -0.5, 5.0)
        if np.abs(inverse - before).max(initial=0) < SAME_INVERSE_DEPTH:
            break
    point = turned + inverse[:, None] * translation
    _, by_point = projected(point)
    along = by_point @ translation
    length = np.maximum((along**2).sum(axis=1), 1e-18)
    pull = along / length[:, None]
    by_a = -np.einsum("ni,nij->nj", pull, by_point @ rotation[:, :2])
    by_turn = by_point @ -crosses(turned)
    by_motion = -np.einsum("ni,nij->nj", pull, np.concatenate([inverse[:, None, None] * by_point, by_turn], axis=2))
    covariances = np.zeros((len(a), 3, 3))
    covariances[:, [0, 1], [0, 1]] = noise_a[:, None] ** 2
    covariances[:, 2, :2] = covariances[:, :2, 2] = noise_a[:, None] ** 2 * by_a
    covariances[:, 2, 2] = noise_a**2 * (by_a**2).sum(axis=1) + noise_b**2 / length
    spread = np.sqrt(covariances[:, 2, 2])
    in_front = (inverse > -3 * spread) & (inverse < 4.0) & (point[:, 2] > 0) & (spread < KNOWN_STD)
    return Triangulated(inverse, covariances, by_motion, in_front)


def projected(points: Array) -> tuple[Array, Array]:
    """Returns (x/z, y/z) of points (..., 3) and its derivative by them, (..., 2, 3)."""
    depth = np.where(np.abs(points[..., 2]) < 1e-6, 1e-6, points[..., 2])
    flat = points[..., :2] / depth[..., None]
    derivative = np.zeros((*points.shape[:-1], 2, 3))
    derivative[..., 0, 0] = derivative[..., 1, 1] = 1 / depth
    derivative[..., 2] = -flat / depth[..., None]
    return flat, derivative


def crosses(vectors: Array) -> Array:
    """Returns the matrices of the cross product with each of some vectors, (N, 3, 3)."""
    out = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    out[:, 0, 1], out[:, 0, 2], out[:, 1, 2] = -z, y, -x
    return out - np.swapaxes(out, 1, 2)
