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

VIEW_M: Final = 15.0
"""How far two cameras may stand apart and still see the same place, metres."""


class DriftGate:
    """Remembers where the keyframes of one session lie by odometry.

    Args:
        max_drift: Largest error of the odometry as a share of the way; 1 rules out nothing.
    """

    def __init__(self, max_drift: float) -> None:
        self._max_drift = max_drift
        self._count = 0
        self._ids = np.empty(64, dtype=np.int64)
        self._places = np.empty((64, 4))

    def add(self, keyframe_id: int, pose: Pose | None, path_length: float | None) -> None:
        """Takes in a keyframe; one without odometry is never ruled out.

        Args:
            keyframe_id: Its id in the live map.
            pose: ``t_odom_base``, or None.
            path_length: Metres since the session began, or None.
        """
        if pose is None or path_length is None:
            return
        if self._count == len(self._ids):
            # Doubling keeps the cost of a day's keyframes linear.
            self._ids = np.concatenate([self._ids, np.empty_like(self._ids)])
            self._places = np.concatenate([self._places, np.empty_like(self._places)])
        self._ids[self._count] = keyframe_id
        self._places[self._count] = (*pose[:3, 3], path_length)
        self._count += 1

    def ruled_out(self, pose: Pose | None, path_length: float | None) -> npt.NDArray[np.int64]:
        """Returns the ids of the keyframes at which a robot with this odometry cannot be.

        Args:
            pose: ``t_odom_base`` of the query, or None: then nothing is ruled out.
            path_length: Metres since the session began, or None.
        """
        if pose is None or path_length is None:
            return np.empty(0, dtype=np.int64)
        far = out_of_reach(self._places[: self._count], pose[:3, 3], path_length, self._max_drift)
        return self._ids[: self._count][far]


def out_of_reach(
    places: npt.NDArray[np.float64], position: npt.NDArray[np.float64], path_length: float, max_drift: float
) -> npt.NDArray[np.bool_]:
    """Says of earlier places of a session whether a robot with this odometry cannot be there.

    Args:
        places: x, y, z in the odometry frame and the way from the session's begin, metres, (N, 4); NaN is within reach.
        position: x, y, z of the robot in the odometry frame, (3,).
        path_length: Its way from the session's begin, metres.
        max_drift: Largest error of the odometry as a share of the way.

    Returns:
        Shape (N,).
    """
    away = np.linalg.norm(places[:, :3] - position, axis=1)
    return np.asarray(away > VIEW_M + max_drift * (path_length - places[:, 3]))
