"""Writes a drive to a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.bags.writer import RecordingWriter
from a2gc_simulation.drive import CAMERA_FRAME, START_NS, Drive, frames, stamp_of
from a2gc_simulation.odometry import Odometry
from a2gc_simulation.render import camera_pose

BASE_FRAME = "base_link"
_UNMEASURED = 1e6


def add_odometry(writer: RecordingWriter, odometry: Odometry, sample: int) -> None:
    """Adds what the wheels measured, and how sure that is.

    What they cannot measure (height, roll, pitch and speeds out of the plane) gets a variance of 1e6.
    """
    speed, turn = odometry.twists[sample].tolist()
    writer.add_odometry(
        stamp_of(float(odometry.times[sample])),
        odometry.pose(sample),
        covariance=_in_six(odometry.covariances[sample], (0, 1, 5)),
        twist=(speed, 0.0, 0.0, 0.0, 0.0, turn),
        twist_covariance=_in_six(odometry.twist_covariance, (0, 5)),
    )


def _in_six(covariance: npt.NDArray[np.float64], axes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Returns a covariance of some of (x, y, z, roll, pitch, yaw) as ROS has it, float64 (6, 6)."""
    full = np.diag([_UNMEASURED] * 6)
    full[np.ix_(axes, axes)] = covariance
    return full


def record_drive(
    drive: Drive,
    path: str | Path,
    *,
    jpeg_quality: int = 80,
    supersampling: int = 2,
    on_image: Callable[[npt.NDArray[np.uint8]], None] | None = None,
) -> int:
    """Renders a drive into a recording.

    Every image comes with a camera_info and the true pose of the same stamp; odometry has its own rate. Messages are
    written in the order of their stamps. See :class:`a2gc_ros.bags.writer.RecordingWriter` for the path,
    :class:`a2gc_simulation.render.Renderer` for the supersampling; ``on_image`` is called with every picture.

    Returns:
        The number of images.

    Raises:
        BagError: If the recording can't be written.
        BackendError: If there is no MuJoCo, or no OpenGL without a screen.
    """
    odometry, sample, count = drive.odometry, 0, 0
    with RecordingWriter(path, compress=True) as writer:
        writer.add_transform(START_NS, camera_pose(drive.config), parent=BASE_FRAME, child=CAMERA_FRAME, static=True)
        for frame, truth in frames(drive, supersampling=supersampling):
            while sample < len(odometry.times) and stamp_of(odometry.times[sample]) <= frame.stamp_ns:
                add_odometry(writer, odometry, sample)
                sample += 1
            assert frame.intrinsics is not None
            writer.add_camera_info(frame.stamp_ns, frame.intrinsics, frame_id=CAMERA_FRAME)
            writer.add_pose(frame.stamp_ns, truth)
            writer.add_encoded_image(
                frame.stamp_ns, encode_jpeg(frame.image, jpeg_quality), "jpeg", frame_id=CAMERA_FRAME
            )
            count += 1
            if on_image is not None:
                on_image(frame.image)
        for rest in range(sample, len(odometry.times)):
            add_odometry(writer, odometry, rest)
    return count


def encode_jpeg(image: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Encodes an RGB image as JPEG with Huffman tables of its own, a few percent smaller for it."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()
