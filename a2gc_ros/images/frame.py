"""A camera image with everything known about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose


@dataclass(frozen=True)
class CameraIntrinsics:
    """The calibration of a camera, as ``sensor_msgs/CameraInfo`` carries it.

    Attributes:
        width: Image width in pixels.
        height: Image height in pixels.
        matrix: float64 (3, 3), the camera matrix K in pixels; the center of the first pixel is (0, 0).
        distortion: float64 (n,), the coefficients in the order of ``model``.
        model: A ROS name: ``plumb_bob``, ``rational_polynomial`` or ``equidistant``.
        rotation: float64 (3, 3), R: turns directions of the lens into those of the frame that the images name; None
            where the two are the same.
    """

    width: int
    height: int
    matrix: npt.NDArray[np.float64]
    distortion: npt.NDArray[np.float64]
    model: str = "plumb_bob"
    rotation: npt.NDArray[np.float64] | None = None

    def scaled_to(self, width: int, height: int) -> CameraIntrinsics:
        """Returns the calibration of the same view resampled to another size.

        Pixel centers lie at whole numbers, hence c' = (c + 1/2) s - 1/2.
        """
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        to_scaled = np.array([[sx, 0.0, (sx - 1) / 2], [0.0, sy, (sy - 1) / 2], [0.0, 0.0, 1.0]])
        return replace(self, width=width, height=height, matrix=to_scaled @ self.matrix)


@dataclass(frozen=True)
class Frame:
    """One image of a recording or a live camera.

    Attributes:
        stamp_ns: Time of exposure in nanoseconds, from the message header.
        image: uint8 (H, W, 3), RGB; may be a read-only view of a message.
        frame_id: Name of the camera's optical frame.
        intrinsics: Calibration that fits ``image``, where known.
        pose: ``t_odom_base`` at the stamp, where known.
        t_base_camera: Pose of the camera's optical frame (x right, y down, z forward) in the robot's base, where known;
            without it odometry says nothing about the camera's motion in metres.
        depth: float32 (H, W), distance along the optical axis in metres of every pixel of ``image``, where a depth
            camera measured it; zero or NaN where it did not.
        uncalibrated: Why there are no ``intrinsics``, in a sentence; empty where there are, or nobody knows.
    """

    stamp_ns: int
    image: npt.NDArray[np.uint8]
    frame_id: str = ""
    intrinsics: CameraIntrinsics | None = None
    pose: Pose | None = None
    t_base_camera: Pose | None = None
    depth: npt.NDArray[np.float32] | None = None
    uncalibrated: str = ""
