"""The image kept with a keyframe, and its camera's calibration as text."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import CameraIntrinsics

LONGEST_SIDE = 640
JPEG_QUALITY = 85


def shrink(image: npt.NDArray[np.uint8], longest_side: int = LONGEST_SIDE) -> npt.NDArray[np.uint8]:
    """Returns an image, (H, W, 3) or (H, W), with its longest side at most ``longest_side`` pixels; never enlarges."""
    height, width = image.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode_jpeg(image: npt.NDArray[np.uint8], longest_side: int = LONGEST_SIDE, quality: int = JPEG_QUALITY) -> bytes:
    """Encodes an RGB image for keeping.

    Args:
        image: RGB uint8, shape (H, W, 3).
        longest_side: Larger images are shrunk to it; pixels.
        quality: Of the JPEG, 1 to 100.

    Raises:
        MapError: If this is no RGB image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise MapError(f"a keyframe's image must be RGB uint8 (H, W, 3), not {image.dtype} {image.shape}")
    bgr = cv2.cvtColor(shrink(image, longest_side), cv2.COLOR_RGB2BGR)
    done, buffer = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MapError(f"a keyframe's image of shape {image.shape} could not be encoded as JPEG")
    return bytes(buffer)


def decode_jpeg(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decodes a kept image to RGB uint8 (H, W, 3); None when the bytes are damaged."""
    bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def intrinsics_json(intrinsics: CameraIntrinsics | None) -> str | None:
    """Writes a calibration as JSON: width, height, matrix, distortion, model, and rotation where there is one."""
    if intrinsics is None:
        return None
    fields: dict[str, Any] = {
        "width": int(intrinsics.width),
        "height": int(intrinsics.height),
        "matrix": np.asarray(intrinsics.matrix, dtype=np.float64).reshape(3, 3).tolist(),
        "distortion": np.asarray(intrinsics.distortion, dtype=np.float64).ravel().tolist(),
        "model": str(intrinsics.model),
    }
    if intrinsics.rotation is not None:
        fields["rotation"] = np.asarray(intrinsics.rotation, dtype=np.float64).reshape(3, 3).tolist()
    return json.dumps(fields, sort_keys=True)
