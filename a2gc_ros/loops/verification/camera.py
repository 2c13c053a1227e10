"""Points of an image as directions, by its camera's calibration."""

from __future__ import annotations

import json
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.images.lens import EQUIDISTANT, lens_model
from a2gc_ros.loops.verification.sampson import homogeneous

WIDEST: Final = 2.75
"""Tangent of the angle off the optical axis, 70 degrees, up to which directions are used: beyond, one is too coarse."""

_UNTIL: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)
# Five rounds, as OpenCV takes by itself, leave pixels of error in the corners of a wide lens. For more, OpenCV 4 has a
# function of another name.
_undistorted: Final[Any] = getattr(cv2, "undistortPointsIter", None) or (
    lambda source, matrix, distortion, turn, onto, criteria: cv2.undistortPoints(
        source, matrix, distortion, R=turn, P=onto, criteria=criteria
    )
)
_TURNS_BACK_PX: Final = 0.1
_STILL: Final = np.zeros(3)


def parse_intrinsics(text: str | None) -> CameraIntrinsics | None:
    """Reads a calibration as a map stores it.

    Raises:
        MapError: If the text is no calibration.
        CalibrationError: If its lens model cannot be told.
    """
    if text is None:
        return None
    try:
        fields = json.loads(text)
        matrix = np.asarray(fields["matrix"], dtype=np.float64).reshape(3, 3)
        distortion = np.asarray(fields["distortion"], dtype=np.float64).ravel()
        rotation = fields.get("rotation")
        turned = None if rotation is None else np.asarray(rotation, dtype=np.float64).reshape(3, 3)
        width, height, name = int(fields["width"]), int(fields["height"]), str(fields["model"])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise MapError(f"a camera calibration in the map is damaged ({error!r})") from error
    model, coefficients = lens_model(name, distortion)
    return CameraIntrinsics(width, height, matrix, coefficients, model, turned)


def is_usable(intrinsics: CameraIntrinsics | None) -> bool:
    """Says whether a calibration is one: drivers of uncalibrated cameras send zeros."""
    if intrinsics is None or min(intrinsics.width, intrinsics.height) < 1:
        return False
    finite = np.isfinite(intrinsics.matrix).all() and np.isfinite(intrinsics.distortion).all()
    return bool(finite and intrinsics.matrix[0, 0] > 0 and intrinsics.matrix[1, 1] > 0)


def normalized_points(points: npt.NDArray[np.float64], intrinsics: CameraIntrinsics) -> npt.NDArray[np.float64]:
    """Removes distortion and camera matrix.

    Args:
        points: Pixels, float64 (N, 2), of an image of the calibrated size.
        intrinsics: The calibration.

    Returns:
        (x/z, y/z) in the frame that the images name, float64 (N, 2); NaN where a distorted pixel has no direction, or
        one more than ``WIDEST`` off the optical axis.
    """
    if len(points) == 0:
        # An image without any feature, as behind a lens cap; OpenCV refuses to undistort nothing.
        return np.empty((0, 2))
    source = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, 1, 2)
    matrix, distortion = intrinsics.matrix, intrinsics.distortion
    if intrinsics.model != EQUIDISTANT and not distortion.any() and intrinsics.rotation is None:
        return _flat(cv2.undistortPoints(source, matrix, distortion))
    if intrinsics.model == EQUIDISTANT:
        rays = _flat(cv2.fisheye.undistortPoints(source, matrix, distortion))
        again, _ = cv2.fisheye.projectPoints(homogeneous(rays)[:, None], _STILL, _STILL, matrix, distortion)
    else:
        rays = _flat(_undistorted(source, matrix, distortion, None, None, _UNTIL))
        again, _ = cv2.projectPoints(homogeneous(rays)[:, None], _STILL, _STILL, matrix, distortion)
    with np.errstate(invalid="ignore"):
        # Beyond the edge of what was calibrated a polynomial turns back, and the search ends anywhere.
        right = np.abs(_flat(again) - points).max(axis=1) <= _TURNS_BACK_PX
        right &= (rays**2).sum(axis=1) <= WIDEST**2
    if intrinsics.rotation is not None:
        turned = homogeneous(rays) @ intrinsics.rotation.T
        right &= turned[:, 2] > 0
        rays = turned[:, :2] / np.where(right, turned[:, 2], 1.0)[:, None]
    return np.where(right[:, None], rays, np.nan)


def _flat(points: Any) -> npt.NDArray[np.float64]:
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)
