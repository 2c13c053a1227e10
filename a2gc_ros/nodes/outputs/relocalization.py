"""From a verified closure against a loaded map to the robot's pose in that map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.results import Verification
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Keyframe


@dataclass(frozen=True)
class Relocalization:
    """Where the robot is in a map.

    Attributes:
        pose: ``t_map_base``.
        covariance: float64 (6, 6): x, y, z in metres, then rotations about the map's X, Y, Z in radians.
    """

    pose: Pose
    covariance: npt.NDArray[np.float64]


def spacing_around(place_map: PlaceMap, keyframe: Keyframe) -> float | None:
    """Returns the distance in metres from a keyframe to the farther of its neighbors along its session."""
    if keyframe.pose is None:
        return None
    distances = []
    for neighbor_id in (keyframe.id - 1, keyframe.id + 1):
        try:
            neighbor = place_map.keyframe(neighbor_id)
        except MapError:
            continue
        if neighbor.session_id == keyframe.session_id and neighbor.pose is not None:
            distances.append(geometry.distance(keyframe.pose, neighbor.pose))
    return max(distances, default=None)


def relocalize(
    keyframe: Keyframe, spacing_m: float | None, verification: Verification | None, t_base_camera: Pose
) -> Relocalization | str:
    """Returns the robot's pose in the map, where it and its uncertainty are known.

    The orientation comes from the relative pose. So does the position, where the scale of the relative pose is known;
    one camera does not tell it, and then the position is the keyframe's: the image resembles this keyframe more than
    its neighbors, so its standard deviation is the distance to them.

    Args:
        keyframe: The keyframe of the map; where it does not tell its camera's place, that of the robot that asks holds.
        spacing_m: Distance to its neighbors; None where unknown.
        verification: The geometric check.
        t_base_camera: Pose of the camera (optical frame) in the base of the robot that asks.

    Returns:
        The pose, or why there is none, and what would change that: nothing was verified, no relative pose with
        covariance is known, or the position has no known uncertainty.
    """
    if keyframe.pose is None:
        return "the map holds no poses: build it from a recording with odometry"
    if verification is None:
        return "nothing was checked by geometry: set loop.verify to true"
    if not verification.verified or verification.relative_pose is None:
        return verification.reason or "the geometry of the two images does not tell it"
    if verification.covariance is None:
        return f"the pose's uncertainty is not known ({verification.reason})"
    t_map_keyframe_camera = keyframe.pose @ (
        t_base_camera if keyframe.t_base_camera is None else keyframe.t_base_camera
    )
    t_map_base = t_map_keyframe_camera @ verification.relative_pose @ geometry.inverse(t_base_camera)
    turn = np.kron(np.eye(2), t_map_keyframe_camera[:3, :3])
    covariance = turn @ verification.covariance @ turn.T
    if verification.scale_known:
        # A rotation about the camera also moves the base, which lies beside it.
        t_map_camera = t_map_base @ t_base_camera
        lever = np.eye(6)
        lever[:3, 3:] = -geometry.skew(t_map_base[:3, 3] - t_map_camera[:3, 3])
        return Relocalization(t_map_base, lever @ covariance @ lever.T)
    if spacing_m is None:
        return f"one camera tells no metres and the map has too few keyframes to bound them ({verification.reason})"
    t_map_base[:3, 3] = keyframe.pose[:3, 3]
    covariance[:3, :] = covariance[:, :3] = 0.0
    covariance[:3, :3] = spacing_m**2 * np.eye(3)
    return Relocalization(t_map_base, covariance)
