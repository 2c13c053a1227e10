"""Recordings of a camera that drives round a rendered room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from a2gc_training.data.generated import random_room, render

from a2gc_ros.bags import RecordingWriter
from a2gc_ros.geometry import inverse, pose_from_xy_yaw
from a2gc_ros.images.frame import CameraIntrinsics


def drive_round(
    path: Path, *, seed: int = 0, radius: float = 1.5, light: float = 1.0, count: int = 36, step_ms: int = 100
) -> Path:
    """Records a camera that drives once round a rendered room: odometry, true poses, calibration."""
    room = random_room(seed, 3)
    focal = 32 / np.tan(np.radians(75) / 2)
    intrinsics = CameraIntrinsics(64, 48, np.array([[focal, 0, 31.5], [0, focal, 23.5], [0, 0, 1]]), np.zeros(5))
    with RecordingWriter(path) as writer:
        for step in range(count):
            angle = 2 * np.pi * step / count
            pose = pose_from_xy_yaw(radius * np.cos(angle), radius * np.sin(angle), angle + np.pi / 2)
            position = np.array([*room.size[:2] / 2, 1.3]) + pose[:3, 3]
            image = np.clip(light * render(room, position, pose[:3, :3], 48, 64), 0, 255).astype(np.uint8)
            stamp = 1_000_000_000 + step * step_ms * 1_000_000
            # Odometry starts at the robot's own origin, the truth is that of the room.
            start = pose_from_xy_yaw(radius, 0, np.pi / 2)
            writer.add_odometry(stamp, inverse(start) @ pose)
            writer.add_pose(stamp, pose)
            writer.add_image(stamp, image)
            writer.add_camera_info(stamp, intrinsics)
    return path
