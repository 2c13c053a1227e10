"""Points of an image as directions, by its camera's calibration."""

from __future__ import annotations

import json

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import CameraIntrinsics


def parse_intrinsics(text: str | None) -> CameraIntrinsics | None:
    """Reads a calibration as a map stores it.

    Raises:
        MapError: If the text is no calibration.
    """
    if text is None:
        return None
    try:
        fields = json.loads(text)
        matrix = np.asarray(fields["matrix"], dtype=np.float64).reshape(3, 3)
        distortion = np.asarray(fields["distortion"], dtype=np.float64).ravel()
        return CameraIntrinsics(int(fields["width"]), int(fields["height"]), matrix, distortion, str(fields["model"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MapError(f"a camera calibration in the map is damaged ({error!r})") from error


def is_usable(intrinsics: CameraIntrinsics | None) -> bool:
    """Says whether a calibration is one: drivers of uncalibrated cameras send zeros."""
    if intrinsics is None or min(intrinsics.width, intrinsics.height) < 1:
        return False
    finite = np.isfinite(intrinsics.matrix).all() and np.isfinite(intrinsics.distortion).all()
    return bool(finite and intrinsics.matrix[0, 0] > 0 and intrinsics.matrix[1, 1] > 0)


def normalised_points(points: npt.NDArray[np.float64], intrinsics: CameraIntrinsics) -> npt.NDArray[np.float64]:
    """Removes distortion and camera matrix.

    Args:
        points: Pixels, float64 (N, 2), of an image of the calibrated size.
        intrinsics: The calibration.

    Returns:
        (x/z, y/z) in the optical frame, float64 (N, 2).
    """
    if len(points) == 0:
        # An image without any feature, as behind a lens cap; OpenCV refuses to undistort nothing.
        return np.empty((0, 2))
    source = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, 1, 2)
    if intrinsics.model == "equidistant":
        undistorted = cv2.fisheye.undistortPoints(source, intrinsics.matrix, intrinsics.distortion[:4])
    else:
        undistorted = cv2.undistortPoints(source, intrinsics.matrix, intrinsics.distortion)
    return np.asarray(undistorted, dtype=np.float64).reshape(-1, 2)
