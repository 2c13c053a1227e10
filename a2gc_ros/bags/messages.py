"""Reads images, calibrations and poses out of deserialized messages of either ROS generation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, ODOMETRY, POSE_WITH_COVARIANCE
from a2gc_ros.bags.trajectory import Quaternion, Vector
from a2gc_ros.errors import CalibrationError
from a2gc_ros.geometry import Pose, pose_from_quaternion
from a2gc_ros.images.calibration import CameraCalibration
from a2gc_ros.images.convert import sensor_bits, to_rgb
from a2gc_ros.images.decode import compressed_size, decode_compressed
from a2gc_ros.images.depth import to_meters

Message = Any
"""Message classes are generated at run time."""


def stamp_of(header: Message) -> int:
    """Returns the stamp of a std_msgs/Header in nanoseconds; 0 means that nobody set it."""
    return nanoseconds_of(header.stamp)


def nanoseconds_of(time: Message) -> int:
    """Returns a Time or Duration message in nanoseconds."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def decode_image(
    message: Message, msgtype: str, max_size: tuple[int, int] | None = None, sensor_bits: int = 0
) -> npt.NDArray[np.uint8]:
    """Returns the pixels of an Image or CompressedImage message, uint8 (H, W, 3) RGB.

    Args:
        message: The message.
        msgtype: Its type.
        max_size: (height, width) beyond which pixels are of no use; only JPEG data get smaller by it.
        sensor_bits: How many of 16 bits a sensor's samples use; 0 takes what the image shows.

    Raises:
        ImageError: If the image cannot be decoded.
    """
    if msgtype == COMPRESSED_IMAGE:
        return decode_compressed(message.data, format=message.format, max_size=max_size)
    return to_rgb(message, sensor_bits or None)


def sensor_bits_of(message: Message, msgtype: str) -> int | None:
    """Returns how many of 16 bits an image's samples seem to use; None where they are no sensor's 16-bit samples.

    Raises:
        ImageError: If the message is damaged.
    """
    return None if msgtype == COMPRESSED_IMAGE else sensor_bits(message)


def image_size(message: Message, msgtype: str) -> tuple[int, int]:
    """Returns (width, height) of the image in an Image or CompressedImage message, as it was sent.

    Raises:
        ImageError: If it is neither JPEG nor PNG, or cut off.
    """
    return compressed_size(message.data) if msgtype == COMPRESSED_IMAGE else (int(message.width), int(message.height))


def decode_depth(message: Message) -> npt.NDArray[np.float32]:
    """Returns the pixels of a depth Image message in metres, float32 (H, W).

    Raises:
        ImageError: If it is no depth image, or damaged.
    """
    return to_meters(message)


def calibration_of(message: Message) -> CameraCalibration:
    """Returns what a CameraInfo message says.

    Raises:
        CalibrationError: If its matrices have other sizes than the message's definition gives them.
    """

    def array(name: str) -> npt.NDArray[np.float64]:
        # ROS 1 writes the fields in capitals.
        values = getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())
        return np.array(values, dtype=np.float64)

    window = message.roi
    try:
        return CameraCalibration(
            width=int(message.width),
            height=int(message.height),
            matrix=array("k").reshape(3, 3),
            distortion=array("d").ravel(),
            model=str(message.distortion_model),
            rotation=array("r").reshape(3, 3),
            projection=array("p").reshape(3, 4),
            window=(int(window.x_offset), int(window.y_offset), int(window.width), int(window.height)),
            binning=(int(message.binning_x), int(message.binning_y)),
        )
    except ValueError as error:
        raise CalibrationError(f"a camera_info message is malformed: {error}") from error


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
