"""Scaling a calibration."""

from __future__ import annotations

import numpy as np

from a2gc_ros.images.frame import CameraIntrinsics

INTRINSICS = CameraIntrinsics(64, 48, np.array([[50.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]]), np.zeros(5))


def test_the_centre_of_the_image_stays_the_centre() -> None:
    half = INTRINSICS.scaled_to(32, 24)
    np.testing.assert_allclose(half.matrix, [[25, 0, 15.5], [0, 30, 11.5], [0, 0, 1]])
    assert (half.width, half.height) == (32, 24)


def test_a_corner_of_the_image_stays_the_corner() -> None:
    """The outer corner of the first pixel is at (-1/2, -1/2) at every size."""
    ray = np.linalg.inv(INTRINSICS.matrix) @ [-0.5, -0.5, 1]
    np.testing.assert_allclose(INTRINSICS.scaled_to(100, 17).matrix @ ray, [-0.5, -0.5, 1])


def test_the_same_size_is_the_same_calibration() -> None:
    assert INTRINSICS.scaled_to(64, 48) is INTRINSICS
