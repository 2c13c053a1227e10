"""Reads images, calibrations and poses out of deserialised messages of either ROS generation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, ODOMETRY, POSE_WITH_COVARIANCE
from a2gc_ros.bags.trajectory import Quaternion, Vector
from a2gc_ros.geometry import Pose, pose_from_quaternion
from a2gc_ros.images.convert import to_rgb
from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.images.depth import to_metres
from a2gc_ros.images.frame import CameraIntrinsics

Message = Any
"""Message classes are generated at run time."""


def stamp_of(header: Message) -> int:
    """Returns the stamp of a std_msgs/Header in nanoseconds; 0 means that nobody set it."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def decode_image(message: Message, msgtype: str, max_size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """Returns the pixels of an Image or CompressedImage message, uint8 (H, W, 3) RGB.

    Args:
        message: The message.
        msgtype: Its type.
        max_size: (height, width) beyond which pixels are of no use; only JPEG data get smaller by it.

    Raises:
        ImageError: If the image cannot be decoded.
    """
    if msgtype == COMPRESSED_IMAGE:
        return decode_compressed(message.data, format=message.format, max_size=max_size)
    return to_rgb(message.data, **_layout(message))


def decode_depth(message: Message) -> npt.NDArray[np.float32]:
    """Returns the pixels of a depth Image message in metres, float32 (H, W).

    Raises:
        ImageError: If it is no depth image, or damaged.
    """
    return to_metres(message.data, **_layout(message))


def _layout(message: Message) -> dict[str, Any]:
    """How the bytes of an Image message are to be read."""
    return {name: getattr(message, name) for name in ("height", "width", "encoding", "step", "is_bigendian")}


def intrinsics_of(message: Message) -> CameraIntrinsics | None:
    """Returns the calibration in a CameraInfo message; None where the camera was never calibrated (K is zero)."""
    # ROS 1 writes the fields in capitals.
    matrix = np.array(message.k if hasattr(message, "k") else message.K, dtype=np.float64).reshape(3, 3)
    distortion = np.array(message.d if hasattr(message, "d") else message.D, dtype=np.float64)
    usable = np.isfinite(matrix).all() and np.isfinite(distortion).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0
    if not usable or message.width <= 0 or message.height <= 0:
        return None
    return CameraIntrinsics(
        int(message.width), int(message.height), matrix, distortion, message.distortion_model or "plumb_bob"
    )


def pose_of(message: Message, msgtype: str) -> Pose:
    """Returns the pose in an Odometry, PoseStamped or PoseWithCovarianceStamped message.

    Raises:
        ValueError: If its quaternion has no length or anything is not finite.
    """
    return pose_from_quaternion(*pose_values(message, msgtype))


def pose_values(message: Message, msgtype: str) -> tuple[Vector, Quaternion]:
    """Returns position and quaternion as the message has them; ``pose_of`` says which types."""
    pose = message.pose.pose if msgtype in (ODOMETRY, POSE_WITH_COVARIANCE) else message.pose
    return values_of(pose.position, pose.orientation)


def values_of(translation: Message, rotation: Message) -> tuple[Vector, Quaternion]:
    """Returns the numbers of a Point or Vector3 and of a Quaternion message."""
    return (translation.x, translation.y, translation.z), (rotation.x, rotation.y, rotation.z, rotation.w)
