"""A closure between two cameras as one between the two poses of the robot, which is what back ends want."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose
from a2gc_ros.loops.results import LoopClosure
from a2gc_ros.loops.verification.neighbor_motion import reversed_motion

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BaseClosure:
    """A closure in metres between two poses of the robot's base.

    Attributes:
        query_stamp_ns: Stamp of the later image.
        keyframe_stamp_ns: Stamp of the earlier image.
        query_id: Keyframe that the later image became; None where it was not kept.
        pose: ``t_keyframeBase_queryBase``.
        covariance: (6, 6) as in geometry_msgs: x, y, z, rotation about X, Y, Z, in the axes of the keyframe's base.
    """

    query_stamp_ns: int
    keyframe_stamp_ns: int
    query_id: int | None
    keyframe_id: int
    pose: Pose
    covariance: Matrix

    def reversed(self) -> tuple[Pose, Matrix]:
        """Returns ``t_queryBase_keyframeBase`` with its covariance, in the axes of the query's base."""
        return reversed_motion(self.pose, self.covariance)


def base_closure(closure: LoopClosure, t_base_camera: Pose) -> BaseClosure | None:
    """Returns a closure between the robot's poses, by the camera's pose on the robot.

    None for a relocalization, and where pose, covariance or scale are not known: no back end that takes poses can be
    told of a direction alone.
    """
    verification = closure.verification
    if closure.is_relocalization or verification is None or not verification.scale_known:
        return None
    if verification.relative_pose is None or verification.covariance is None:
        return None
    camera_in_base, base_in_camera = t_base_camera[:3, :3], geometry.inverse(t_base_camera)[:3, 3]
    # A rotation of the query's camera about itself moves the base, which lies beside it.
    jacobian = np.zeros((6, 6))
    jacobian[:3, :3] = jacobian[3:, 3:] = camera_in_base
    jacobian[:3, 3:] = -camera_in_base @ geometry.skew(verification.relative_pose[:3, :3] @ base_in_camera)
    match = closure.match
    return BaseClosure(
        query_stamp_ns=match.query_stamp_ns,
        keyframe_stamp_ns=match.keyframe_stamp_ns,
        query_id=closure.query_keyframe_id,
        keyframe_id=match.keyframe_id,
        pose=t_base_camera @ verification.relative_pose @ geometry.inverse(t_base_camera),
        covariance=jacobian @ verification.covariance @ jacobian.T,
    )
