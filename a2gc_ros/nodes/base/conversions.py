"""Between ROS messages and this library's values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion
from std_msgs.msg import Header

from a2gc_msgs.msg import LoopClosureCandidate, LoopClosureCandidates
from a2gc_ros import geometry
from a2gc_ros.bags.messages import values_of
from a2gc_ros.loops.results import LoopClosure

NOT_KEPT = -1
"""``query_keyframe_id`` of an image that did not become a keyframe."""


def time_message(stamp_ns: int) -> Time:
    """Returns nanoseconds as a Time message."""
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def duration_message(seconds: float) -> Duration:
    """Returns seconds as a Duration message."""
    whole, nanoseconds = divmod(round(seconds * 1e9), 1_000_000_000)
    return Duration(sec=whole, nanosec=nanoseconds)


def header_message(stamp_ns: int, frame_id: str) -> Header:
    """Returns a Header message."""
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def point_message(position: npt.ArrayLike) -> Point:
    """Returns (x, y, z) in metres as a Point message."""
    x, y, z = np.asarray(position, dtype=np.float64)
    return Point(x=float(x), y=float(y), z=float(z))


def pose_message(pose: geometry.Pose) -> Pose:
    """Returns a (4, 4) pose as a Pose message."""
    x, y, z, w = geometry.quaternion_of(pose)
    orientation = Quaternion(x=float(x), y=float(y), z=float(z), w=float(w))
    return Pose(position=point_message(pose[:3, 3]), orientation=orientation)


def pose_with_covariance_message(pose: geometry.Pose, covariance: npt.NDArray[np.float64] | None) -> PoseWithCovariance:
    """Returns a pose and its (6, 6) covariance, ordered x, y, z, rotation about X, Y, Z; zeros where unknown."""
    flat = np.zeros(36) if covariance is None else covariance.reshape(36)
    return PoseWithCovariance(pose=pose_message(pose), covariance=flat.tolist())


def candidate_message(closure: LoopClosure) -> LoopClosureCandidate:
    """Returns one loop closure as a message."""
    match, verification = closure.match, closure.verification
    message = LoopClosureCandidate(
        query_stamp=time_message(match.query_stamp_ns),
        held=duration_message(closure.held_s),
        query_keyframe_id=NOT_KEPT if closure.query_keyframe_id is None else closure.query_keyframe_id,
        map_index=match.map_index,
        session_id=match.session_id,
        keyframe_id=match.keyframe_id,
        keyframe_stamp=time_message(match.keyframe_stamp_ns),
        similarity=float(match.similarity),
        probability=math.nan if closure.probability is None else float(closure.probability),
    )
    if verification is not None:
        message.verified = verification.verified
        message.matches = verification.matches
        message.inliers = verification.inliers
        if verification.relative_pose is not None:
            message.has_pose = True
            message.has_covariance = verification.covariance is not None
            message.scale_known = verification.scale_known
            message.relative_pose = pose_with_covariance_message(verification.relative_pose, verification.covariance)
    return message


def relative_pose_of(candidate: LoopClosureCandidate) -> tuple[geometry.Pose | None, npt.NDArray[np.float64] | None]:
    """Returns the relative pose that a message holds, and its (6, 6) covariance; None where it says that it has none.

    Raises:
        ValueError: If the pose is none.
    """
    told = candidate.relative_pose
    pose, covariance = None, None
    if candidate.has_pose:
        pose = geometry.pose_from_quaternion(*values_of(told.pose.position, told.pose.orientation))
    if candidate.has_covariance:
        covariance = np.array(told.covariance, dtype=np.float64).reshape(6, 6)
    return pose, covariance


def candidates_message(header: Header, closures: Sequence[LoopClosure]) -> LoopClosureCandidates:
    """Returns what was accepted with one image, in the same order, as a message."""
    return LoopClosureCandidates(header=header, candidates=[candidate_message(closure) for closure in closures])
