"""Which keyframes odometry rules out: it drifts, but by no more than a share of the way.

A place that looks the same and lies where the robot cannot have been is the false closure that neither descriptors nor
geometry can see through: two crossings with the same buildings agree with one camera motion as well as one crossing
does with itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose
from a2gc_ros.placemap.columns import KeyframeColumns

VIEW_M: Final = 15.0
"""How far two cameras may stand apart and still see the same place, metres."""


def ruled_out(
    columns: KeyframeColumns, session_id: int, pose: Pose | None, path_length: float | None, max_drift: float
) -> npt.NDArray[np.int64]:
    """Returns the ids of a session's keyframes at which a robot with this odometry cannot be.

    Args:
        columns: Of the map; a keyframe without odometry is never ruled out.
        session_id: The session.
        pose: ``t_odom_base`` of the robot, or None: then nothing is ruled out.
        path_length: Metres since the session began, or None.
        max_drift: Largest error of the odometry as a share of the way; 1 rules out nothing.
    """
    if pose is None or path_length is None:
        return np.empty(0, dtype=np.int64)
    far = out_of_reach(columns.positions, columns.path_length, pose[:3, 3], path_length, max_drift)
    return columns.ids[far & (columns.sessions == session_id)]


def out_of_reach(
    positions: npt.NDArray[np.float64],
    path_lengths: npt.NDArray[np.float64],
    position: npt.NDArray[np.float64],
    path_length: float,
    max_drift: float,
) -> npt.NDArray[np.bool_]:
    """Says of earlier places of a session whether a robot with this odometry cannot be there.

    Args:
        positions: x, y, z in the odometry frame, metres, (N, 3); NaN is within reach.
        path_lengths: The way to each from the session's begin, metres, (N,); NaN is within reach.
        position: x, y, z of the robot in the odometry frame, (3,).
        path_length: Its way from the session's begin, metres.
        max_drift: Largest error of the odometry as a share of the way.

    Returns:
        Shape (N,).
    """
    away = np.linalg.norm(positions - position, axis=1)
    return np.asarray(away > VIEW_M + max_drift * (path_length - path_lengths))
