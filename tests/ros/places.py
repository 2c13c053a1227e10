"""A small world: places that look different, a robot that passes them twice, and its messages."""

from __future__ import annotations

import cv2
import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CompressedImage, Image

from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.nodes.base.conversions import header_message, pose_message

START_NS = 1_700_000_000_000_000_000
PLACES = 16
RADIUS_M = PLACES / (2 * np.pi)
"""Places lie 1 m apart along a circle."""

LOOP_PARAMETERS: dict[str, object] = {
    "loop.max_false_positive_rate": 0.05,
    "loop.min_agreeing": 1,
    "loop.min_time_gap_s": 2.0,
    "loop.min_travel_m": 3.0,
    "loop.keyframe_distance_m": 0.4,
    "loop.max_features": 500,
}


def view(place: int, *, width: int = 320, height: int = 240, offset: int = 0) -> np.ndarray:
    """Draws what the robot sees at a place, uint8 (height, width, 3) RGB; `offset` shifts it by some pixels."""
    rng = np.random.default_rng(place)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(250):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        size = int(rng.integers(4, 14))
        color = [int(c) for c in rng.integers(0, 256, 3)]
        cv2.rectangle(image, (x, y), (x + size, y + size // 2 + 2), color, -1)
    return np.ascontiguousarray(np.roll(image, offset, axis=1))


def stamp(step: int, seconds: float = 0.25) -> int:
    return START_NS + round(step * seconds * 1e9)


def image_message(image: np.ndarray, stamp_ns: int) -> Image:
    height, width = image.shape[:2]
    return Image(
        header=header_message(stamp_ns, "camera"),
        height=height,
        width=width,
        encoding="rgb8",
        step=3 * width,
        data=image.tobytes(),
    )


def compressed_message(image: np.ndarray, stamp_ns: int) -> CompressedImage:
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert ok
    return CompressedImage(header=header_message(stamp_ns, "camera"), format="jpeg", data=data.tobytes())


def pose(step: int) -> np.ndarray:
    """Where the robot is after a number of steps of one metre, t_odom_base."""
    angle = 2 * np.pi * step / PLACES
    return pose_from_xy_yaw(RADIUS_M * np.cos(angle), RADIUS_M * np.sin(angle), angle + np.pi / 2)


def odometry_message(step: int, stamp_ns: int) -> Odometry:
    message = Odometry(header=header_message(stamp_ns, "odom"), child_frame_id="base_link")
    message.pose.pose = pose_message(pose(step))
    return message
