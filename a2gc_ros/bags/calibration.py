"""Reads camera calibrations from YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from a2gc_ros.errors import BagError
from a2gc_ros.images.frame import CameraIntrinsics

_EUROC_MODELS = {"radial-tangential": "plumb_bob", "radtan": "plumb_bob", "equidistant": "equidistant"}


def read_calibration(path: str | Path) -> CameraIntrinsics:
    """Reads ROS's ``camera_calibration`` file or EuRoC's ``sensor.yaml``.

    Raises:
        BagError: If the file cannot be read or is neither.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        # OpenCV's directive "%YAML:1.0" is not YAML.
        content = yaml.safe_load("\n".join(line for line in text.splitlines() if not line.startswith("%")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BagError(f"the calibration {path} cannot be read: {error}") from error
    try:
        return _from_euroc(content) if "intrinsics" in content else _from_ros(content)
    except (KeyError, TypeError, ValueError) as error:
        raise BagError(
            f"{path} is no calibration: neither camera_matrix with data nor intrinsics [fu, fv, cu, cv] can be read"
        ) from error


def _from_ros(content: Mapping[str, Any]) -> CameraIntrinsics:
    return CameraIntrinsics(
        int(content["image_width"]),
        int(content["image_height"]),
        np.array(content["camera_matrix"]["data"], dtype=np.float64).reshape(3, 3),
        np.array(content["distortion_coefficients"]["data"], dtype=np.float64),
        str(content["distortion_model"]),
    )


def _from_euroc(content: Mapping[str, Any]) -> CameraIntrinsics:
    width, height = content["resolution"]
    fu, fv, cu, cv = content["intrinsics"]
    distortion = np.array(content["distortion_coefficients"], dtype=np.float64)
    model = _EUROC_MODELS[content["distortion_model"]]
    if model == "plumb_bob":
        # ROS expects the third radial coefficient too.
        distortion = np.pad(distortion, (0, max(0, 5 - distortion.size)))
    matrix = np.array([[fu, 0, cu], [0, fv, cv], [0, 0, 1]], dtype=np.float64)
    return CameraIntrinsics(int(width), int(height), matrix, distortion, model)
