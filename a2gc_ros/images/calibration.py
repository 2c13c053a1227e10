"""From what a camera says about itself to the calibration of the images that it sends."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import CalibrationError
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_ros.images.lens import EQUIDISTANT, Coefficients, lens_model

Matrix: TypeAlias = npt.NDArray[np.float64]

Rectification: TypeAlias = Literal["auto", "raw", "rectified"]
"""Which images a topic carries; ``auto`` takes it from the topic's name."""

RECTIFICATIONS: Final[tuple[Rectification, ...]] = ("auto", "raw", "rectified")

_RECTIFIED_NAME: Final = re.compile(r"(?<![a-z])(rect|undist)")
_RAW_NAME: Final = re.compile(r"(?<![a-z])(raw(?![a-z])|unrect|dist)")

_ORTHONORMAL: Final = 1e-3
_SAME: Final = 1e-6


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """What a ``sensor_msgs/CameraInfo`` says; see there.

    Attributes:
        width: Columns of the image that was calibrated, pixels.
        height: Its rows.
        matrix: float64 (3, 3), K of the image as it comes from the lens.
        distortion: float64 (n,), D.
        model: Name of the lens model, as it was written.
        rotation: float64 (3, 3), R, from the lens's frame to that of rectified images.
        projection: float64 (3, 4), P, of rectified images.
        window: (x, y, width, height) of the part of the calibrated image that is sent, in its pixels; zeros for all.
        binning: Pixels that were joined to one, in x and y; 0 and 1 both mean that none were.
    """

    width: int
    height: int
    matrix: Matrix
    distortion: Coefficients
    model: str = "plumb_bob"
    rotation: Matrix = field(default_factory=lambda: np.eye(3))
    projection: Matrix = field(default_factory=lambda: np.zeros((3, 4)))
    window: tuple[int, int, int, int] = (0, 0, 0, 0)
    binning: tuple[int, int] = (0, 0)

    @property
    def is_given(self) -> bool:
        """Whether there is a calibration at all: drivers of uncalibrated cameras send zeros."""
        return bool(self.matrix.any() or self.projection.any())


@dataclass(frozen=True)
class Fitted:
    """A calibration at an image.

    Attributes:
        intrinsics: The calibration of the image, as large as it is.
        assumed: What had to be taken for true, in a sentence; empty where nothing had to.
    """

    intrinsics: CameraIntrinsics
    assumed: str = ""


def fitted(
    calibration: CameraCalibration, width: int, height: int, topic: str = "", rectification: Rectification = "auto"
) -> Fitted:
    """Returns the calibration of images of a topic.

    A window and binning are taken out as ROS defines them, with pixel centers at whole numbers. An image of the same
    shape as the window but another size is taken for that view, scaled; an image of another shape has no calibration.

    Directions are given in the frame of rectified images, as ``image_geometry`` has it: those of a raw image are turned
    by R.

    Args:
        calibration: What the camera says.
        width: Columns of the images.
        height: Their rows.
        topic: Name of their topic, which tells ``image_rect`` from ``image_raw``.
        rectification: Whether the images are rectified, where the name does not tell.

    Raises:
        CalibrationError: If there is no calibration, or it cannot be that of these images.
    """
    if not calibration.is_given:
        raise CalibrationError("camera_info holds zeros: the camera is not calibrated")
    if min(calibration.width, calibration.height) < 1:
        raise CalibrationError(
            f"camera_info gives the calibrated image as {calibration.width}x{calibration.height}; "
            "fill in the size at which the camera was calibrated"
        )
    lens, assumed = _lens(calibration, topic, rectification)
    to_image, scaling = _to_image(calibration, width, height)
    intrinsics = replace(lens, width=width, height=height, matrix=to_image @ lens.matrix)
    return Fitted(intrinsics, "; ".join(filter(None, (assumed, scaling))))


def _lens(calibration: CameraCalibration, topic: str, rectification: Rectification) -> tuple[CameraIntrinsics, str]:
    """Returns the calibration of raw or of rectified images in full size, and what was assumed on the way."""
    size = calibration.width, calibration.height
    rectified, told = _is_rectified(topic, rectification)
    projection = _camera_matrix("P", calibration.projection[:, :3]) if calibration.projection[:, :3].any() else None
    if rectified:
        if projection is None:
            raise CalibrationError(
                f"{topic or 'the images'} are rectified and camera_info has no P that tells how; "
                "calibrate with camera_calibration, or take the raw images"
            )
        return CameraIntrinsics(*size, projection, np.zeros(0)), ""
    matrix = _camera_matrix("K", calibration.matrix)
    model, distortion = lens_model(calibration.model, calibration.distortion)
    lens = CameraIntrinsics(*size, matrix, distortion, model, _rotation(calibration.rotation))
    if told or _same_either_way(lens, projection):
        return lens, ""
    return lens, f"{topic or 'the topic'} does not say whether its images are rectified: they were taken for raw ones"


def _same_either_way(lens: CameraIntrinsics, projection: Matrix | None) -> bool:
    """Says whether a rectified image of this camera is the raw one, or there is none."""
    if projection is None:
        return True
    if lens.distortion.any() or lens.model == EQUIDISTANT or lens.rotation is not None:
        return False
    return bool(np.allclose(projection, lens.matrix, rtol=_SAME))


def _is_rectified(topic: str, rectification: Rectification) -> tuple[bool, bool]:
    """Returns whether images are rectified, and whether anything told so."""
    if rectification != "auto":
        return rectification == "rectified", True
    name = topic.lower()
    if _RECTIFIED_NAME.search(name):
        return True, True
    return False, _RAW_NAME.search(name) is not None


def _camera_matrix(name: str, matrix: Matrix) -> Matrix:
    usable = np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0
    if not usable or not np.allclose(matrix[2], (0, 0, 1)) or matrix[1, 0]:
        raise CalibrationError(f"{name} of camera_info is no camera matrix; calibrate the camera again")
    return matrix


def _rotation(rotation: Matrix) -> Matrix | None:
    """Returns R, None where it turns nothing; some drivers leave it zero."""
    if not rotation.any():
        return None
    # Written so that NaN fails too; no entry of a rotation is above one.
    bounded = (np.abs(rotation) <= 1 + _ORTHONORMAL).all()
    if not bounded or np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL or np.linalg.det(rotation) < 0:
        raise CalibrationError("R of camera_info is no rotation; calibrate the camera again")
    return None if np.abs(rotation - np.eye(3)).max() < _SAME else rotation


def _to_image(calibration: CameraCalibration, width: int, height: int) -> tuple[Matrix, str]:
    """Returns the map from pixels of the calibrated image to those of the one that is sent, (3, 3)."""
    x, y, columns, rows = calibration.window
    if not columns and not rows:
        if x or y:
            raise CalibrationError(f"the region of interest in camera_info begins at ({x}, {y}) and has no size")
        columns, rows = calibration.width, calibration.height
    inside = 0 <= x <= x + columns <= calibration.width and 0 <= y <= y + rows <= calibration.height
    if not inside or columns < 1 or rows < 1:
        raise CalibrationError(
            f"the region of interest in camera_info, {columns}x{rows} at ({x}, {y}), lies outside the calibrated image "
            f"of {calibration.width}x{calibration.height}"
        )
    binning = [max(1, by) for by in calibration.binning]
    scale = np.array([1 / binning[0], 1 / binning[1]])
    sent = (columns / binning[0], rows / binning[1])
    assumed = ""
    # A binned side that does not come out even is cut or filled up to whole pixels.
    if abs(width - sent[0]) >= 1 or abs(height - sent[1]) >= 1:
        scale, assumed = _rescaled(calibration, (columns, rows), sent, (width, height))
    matrix = np.array(
        [
            [scale[0], 0.0, (scale[0] - 1) / 2 - scale[0] * x],
            [0.0, scale[1], (scale[1] - 1) / 2 - scale[1] * y],
            [0.0, 0.0, 1.0],
        ]
    )
    return matrix, assumed


def _rescaled(
    calibration: CameraCalibration, window: tuple[int, int], sent: tuple[float, float], size: tuple[int, int]
) -> tuple[Matrix, str]:
    """Returns the scale of an image that is not as large as it should be, and what that takes for true."""
    partial = window != (calibration.width, calibration.height) or max(calibration.binning) > 1
    shown = f"{size[0]}x{size[1]}"
    if partial:
        raise CalibrationError(
            f"the images are {shown}, and region of interest and binning of camera_info make {sent[0]:g}x{sent[1]:g}; "
            "let the driver fill in both as it sends the images, or neither"
        )
    if not same_shape((calibration.width, calibration.height), size):
        raise CalibrationError(
            f"the images are {shown} and the calibration is of {calibration.width}x{calibration.height}, another "
            "shape, so they show another part of the view; calibrate the camera in this mode, or fill in the region "
            "of interest"
        )
    assumed = (
        f"the images are {shown} and the calibration is of {calibration.width}x{calibration.height}: they were taken "
        "for the whole view, scaled"
    )
    return np.array([size[0] / window[0], size[1] / window[1]]), assumed


def same_shape(of: tuple[int, int], size: tuple[int, int]) -> bool:
    """Says whether (width, height) is another one scaled alike in both directions, but for rounding to whole pixels."""
    scale = max(size) / max(of)
    return abs(of[0] * scale - size[0]) <= 1 and abs(of[1] * scale - size[1]) <= 1
