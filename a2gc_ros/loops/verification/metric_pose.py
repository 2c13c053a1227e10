"""From matches with a keyframe to the pose of the query's camera in metres, or to why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.verification.absolute_pose import MIN_KNOWN, CameraPose, locate, scaled_start
from a2gc_ros.loops.verification.landmarks import Landmarks, measure
from a2gc_ros.loops.verification.sampson import Array, homogeneous
from a2gc_ros.loops.verification.two_view import rotation_between
from a2gc_ros.loops.verification.views import View

DEPENDENCE: Final = 2.0
"""By this factor squared errors on the development towns were larger still than the fit, with the errors that features
near each other share, makes them: where a scene is nearly flat, likelihoods are no parabolas."""

COMMON_POSITION_STD, COMMON_TURN_STD = 0.01, 0.001
"""What all features may have wrong in common, metres and radians, such as a third of a pixel of calibration."""

MIN_SHARE: Final = 0.6
"""Least share of the two-view inliers that must agree with one pose among the landmarks."""

MAX_POSITION_STD: Final = 2.0
"""A position less sure than this many metres is none: whatever was recognized is too far away to tell."""

FAR_INVERSE_DEPTH: Final = 0.04
"""What is surely less than this, 1/metres, looks the same from neighboring streets: it is 25 m away or more."""

FAR_SHARE: Final = 0.5
"""Share of the matches that must be known to be far before a place is refused for it."""

MAX_DISTANCE_M: Final = 12.0
"""Cameras farther apart than this do not stand at one place, whatever both see."""

RIVAL_GAP: Final = 10.0
"""Another pose whose likelihood is within this much (twice its logarithm) of the best one's makes it ambiguous."""

SAME_POSITION, SAME_ROTATION = 0.5, 0.05
"""Poses within so many metres and radians of each other, or within three standard deviations, are one."""


@dataclass(frozen=True)
class Located:
    """What the landmarks say.

    Attributes:
        pose: ``t_keyframe_query`` in metres, or None.
        covariance: (6, 6), translation before rotation, in the axes of the keyframe's camera; None without a pose.
        elsewhere: Whether the place must be refused: the query stands too far off, or nobody can tell where.
    """

    pose: Pose | None = None
    covariance: Array | None = None
    reason: str = ""
    elsewhere: bool = False


def locate_query(
    query: View,
    keyframe: View,
    pairs: npt.NDArray[np.int64],
    direction: Pose | None,
    measured: Callable[[View], Landmarks] = measure,
) -> Located:
    """Finds the query's camera in metres.

    Args:
        query: The query, calibrated.
        keyframe: The keyframe, calibrated.
        pairs: Matches that agree with one two-view geometry, (N, 2) indices of features.
        direction: ``t_keyframe_query`` with a translation of unit length, where two views tell it.
        measured: Gives the landmarks of a keyframe, one for each of its features.
    """
    assert query.rays is not None
    assert keyframe.rays is not None
    landmarks = measured(keyframe).take(pairs[:, 1])
    if landmarks.known.sum() < MIN_KNOWN:
        return Located(reason=_why_unknown(keyframe))
    rays, noise = query.rays[pairs[:, 0]], landmarks.noise_factor * query.noise[pairs[:, 0]]
    found = locate(landmarks, rays, noise, _starts(landmarks, rays, direction))
    if not found or found[0].inliers.sum() < MIN_SHARE * len(pairs):
        return Located(reason="the matches agree with no pose among the map's landmarks", elsewhere=True)
    best = found[0]
    if best.near < MIN_KNOWN or position_std(best) > MAX_POSITION_STD:
        if _far(landmarks).sum() >= FAR_SHARE * len(pairs):
            return Located(reason="all that was recognized is too far away to tell the place", elsewhere=True)
        return Located(reason="too little of what was recognized is near enough to tell the position")
    if any(_is_rival(best, other) for other in found[1:]):
        return Located(reason="two poses explain the view alike")
    distance = float(np.linalg.norm(best.pose[:3, 3]))
    if distance - 2 * position_std(best) > MAX_DISTANCE_M:
        return Located(reason=f"the same things are seen, but from {distance:.0f} m away", elsewhere=True)
    return Located(best.pose, realistic(best.covariance))


def realistic(covariance: Array) -> Array:
    """Returns the covariance that features which are not independent deserve, (6, 6)."""
    common = np.repeat([COMMON_POSITION_STD, COMMON_TURN_STD], 3) ** 2
    return DEPENDENCE * covariance + np.diag(common)


def position_std(pose: CameraPose) -> float:
    """Returns the standard deviation of a position along its least sure axis, metres."""
    return float(np.sqrt(np.linalg.eigvalsh(pose.covariance[:3, :3])[-1]))


def _far(landmarks: Landmarks) -> npt.NDArray[np.bool_]:
    """Returns which landmarks are surely far away."""
    spread = np.sqrt(landmarks.covariances[:, 2, 2])
    return np.asarray(landmarks.known & (landmarks.inverse_depths + 2 * spread < FAR_INVERSE_DEPTH))


def _starts(landmarks: Landmarks, rays: Array, direction: Pose | None) -> list[Pose]:
    """Returns guesses: the camera only turned, and the two views' motion at the length that fits the landmarks."""
    turned = np.eye(4)
    turned[:3, :3] = rotation_between(homogeneous(rays), homogeneous(landmarks.rays))
    scaled = None if direction is None else scaled_start(landmarks, rays, direction)
    return [turned] if scaled is None else [turned, scaled]


def _is_rival(best: CameraPose, other: CameraPose) -> bool:
    """Says whether another pose is a different one that explains the view about as well."""
    if other.cost > best.cost + RIVAL_GAP:
        return False
    apart = geometry.distance(best.pose, other.pose)
    turned = geometry.rotation_angle(best.pose, other.pose)
    return apart > max(SAME_POSITION, 3 * position_std(best)) or turned > SAME_ROTATION


def _why_unknown(keyframe: View) -> str:
    if keyframe.extrinsics_missing:
        return "the camera's pose on the robot is not known"
    if keyframe.t_odom_camera is None:
        return "the map has no odometry there"
    return "too few of the features were seen from two keyframes of the map"
