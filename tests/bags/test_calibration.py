"""Camera calibrations from YAML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.bags.calibration import read_calibration
from a2gc_ros.errors import BagError

ROS = """
image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 510, 240, 0, 0, 1]}
distortion_model: rational_polynomial
distortion_coefficients: {rows: 1, cols: 8, data: [1, 2, 3, 4, 5, 6, 7, 8]}
"""
EUROC = """%YAML:1.0
resolution: [640, 480]
intrinsics: [500, 510, 320, 240] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.3, 0.07, 0.001, 0.002]
"""


@pytest.mark.parametrize(
    ("text", "model", "distortion"),
    [
        (ROS, "rational_polynomial", [1, 2, 3, 4, 5, 6, 7, 8]),
        (EUROC, "plumb_bob", [-0.3, 0.07, 0.001, 0.002, 0]),
        (EUROC.replace("radial-tangential", "equidistant"), "equidistant", [-0.3, 0.07, 0.001, 0.002]),
    ],
)
def test_both_makes_are_read(tmp_path: Path, text: str, model: str, distortion: list[float]) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    found = read_calibration(path)
    assert (found.width, found.height, found.model) == (640, 480, model)
    np.testing.assert_array_equal(found.matrix, [[500, 0, 320], [0, 510, 240], [0, 0, 1]])
    np.testing.assert_array_equal(found.distortion, distortion)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[1, 2]",
        "a: [",
        "image_width: 3",
        ROS.replace("500, ", ""),
        EUROC.replace("radial", "radical"),
        "!!python/object/apply:os.getcwd []",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(BagError, match=r"camera\.yaml"):
        read_calibration(path)
