"""Names of lenses and topics, and a calibration that changes while images come."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import CalibrationError
from a2gc_ros.images.calibration import CameraCalibration, fitted
from a2gc_ros.images.image_calibration import ImageCalibration
from a2gc_ros.images.lens import LENGTHS, lens_model

K = np.array([[300.0, 0, 319.5], [0, 310.0, 239.5], [0, 0, 1]])
RECTIFIED = np.hstack([K * 1.1, np.zeros((3, 1))])
RECTIFIED[2, 2] = 1
CAMERA = CameraCalibration(640, 480, K, np.array([-0.2, 0.1, 0, 0, 0]), projection=RECTIFIED)


@pytest.mark.parametrize("name", ["plumb_bob", "radtan", "radial-tangential", "Plumb Bob", "rational_polynomial"])
@pytest.mark.parametrize("length", [n for n in LENGTHS if n])
def test_browns_models_are_read_by_their_length(name: str, length: int) -> None:
    model, values = lens_model(name, np.full(length, 0.01))
    assert model == ("plumb_bob" if length <= 5 else "rational_polynomial")
    assert len(values) == length


@pytest.mark.parametrize("name", ["equidistant", "fisheye", "kannala_brandt4", "Kannala-Brandt", "KB4"])
def test_fisheyes_have_four_and_may_be_padded(name: str) -> None:
    for padding in (0, 1, 4, 8, 10):
        model, values = lens_model(name, [0.1, 0.2, 0.3, 0.4] + [0.0] * padding)
        assert (model, values.tolist()) == ("equidistant", [0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("name", ["", "none", "pinhole", "plumb_bob", "rational_polynomial"])
@pytest.mark.parametrize("length", LENGTHS)
def test_without_distortion_the_model_does_not_matter(name: str, length: int) -> None:
    model, values = lens_model(name, np.zeros(length))
    assert model == "plumb_bob"
    assert not values.any()


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        *[("plumb_bob", [0.0] * n, f"has {n} distortion coefficients") for n in (1, 2, 3, 6, 7, 9, 13, 15)],
        ("equidistant", [], "no coefficients"),
        ("equidistant", [0.1] * 5, "has four"),
        ("", [0.1] * 5, "does not say of which model"),
        ("double_sphere", [0.1, 0.2], "'double_sphere' of camera_info is not known; known are 'plumb_bob'"),
        ("inverse_brown_conrady", [0.0] * 5, "is not known"),
        ("plumb_bob", [np.nan] * 5, "not finite"),
    ],
)
def test_what_cannot_be_told_is_refused(name: str, values: list[float], sentence: str) -> None:
    with pytest.raises(CalibrationError, match=sentence):
        lens_model(name, values)


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_raw", False),
        ("/camera/image_raw/compressed", False),
        ("/cam/image_rect", True),
        ("/cam/image_rect_color/compressed", True),
        ("/camera/infra1/image_rect_raw", True),
        ("/zed/left/image_rect_color", True),
        ("/cam/image_undistorted", True),
        ("/cam/image_unrectified", False),
        ("/zed/left_unrectified/image", False),
        ("/cam/Image_Rect", True),
        ("/direct/image_raw", False),
    ],
)
def test_the_topic_tells_what_is_rectified(topic: str, rectified: bool) -> None:
    found = fitted(CAMERA, 640, 480, topic)
    assert found.intrinsics.matrix[0, 0] == pytest.approx(330 if rectified else 300)
    assert bool(found.intrinsics.distortion.any()) is not rectified
    assert found.assumed == ""


def test_the_user_knows_better_than_the_topic() -> None:
    assert fitted(CAMERA, 640, 480, "/image_raw", "rectified").intrinsics.matrix[0, 0] == pytest.approx(330)
    assert fitted(CAMERA, 640, 480, "/image_rect", "raw").intrinsics.matrix[0, 0] == pytest.approx(300)
    assert "taken for raw ones" in fitted(CAMERA, 640, 480, "/image").assumed
    assert fitted(CAMERA, 640, 480, "/image", "raw").assumed == ""


def test_window_and_binning_move_pixel_centres() -> None:
    camera = dataclasses.replace(CAMERA, window=(40, 20, 320, 240), binning=(2, 2))
    found = fitted(camera, 160, 120, "/image_raw").intrinsics.matrix
    np.testing.assert_allclose(found[:2, 2], ((319.5 - 40 + 0.5) / 2 - 0.5, (239.5 - 20 + 0.5) / 2 - 0.5))
    np.testing.assert_allclose(np.diag(found), (150, 155, 1))


def test_what_a_camera_says_may_change_and_is_noted_once() -> None:
    calibration = ImageCalibration("/image_raw")
    assert calibration.at(640, 480) == (None, "no camera_info has come")
    calibration.use(CAMERA)
    before = calibration.current
    calibration.use(dataclasses.replace(CAMERA, distortion=CAMERA.distortion.copy()))
    assert calibration.current is before
    assert calibration.at(640, 480)[0] is not None
    calibration.use(dataclasses.replace(CAMERA, window=(0, 0, 320, 240)))
    for _ in range(3):
        assert calibration.at(640, 480)[0] is None
        assert calibration.at(320, 240)[0] is not None
        assert calibration.at(640, 480, before)[0] is not None
    assert len(calibration.notes) == 1
    for side in range(1, 60):
        calibration.at(320 + side, 240)
    assert len(calibration.notes) <= 16


numbers = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 300.0, 1e308, -1e308]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(numbers, min_size=9, max_size=9),
    st.lists(numbers, max_size=15),
    st.text(max_size=12) | st.sampled_from(["plumb_bob", "fisheye", "rational_polynomial", ""]),
    st.tuples(*[st.integers(-1, 700)] * 4),
    st.tuples(*[st.integers(-1, 5)] * 2),
    st.tuples(*[st.integers(-1, 700)] * 2),
)
def test_arbitrary_words_of_a_camera_raise_nothing_but_calibration_errors(
    k: list[float], d: list[float], model: str, window: tuple[int, ...], binning: tuple[int, ...], size: tuple[int, ...]
) -> None:
    matrix = np.array(k).reshape(3, 3)
    camera = CameraCalibration(
        640,
        480,
        matrix,
        np.array(d),
        model,
        matrix,
        np.hstack([matrix, np.zeros((3, 1))]),
        window,  # type: ignore[arg-type]
        binning,  # type: ignore[arg-type]
    )
    try:
        found = fitted(camera, *size, "/image_rect" if len(d) % 2 else "/image_raw").intrinsics
    except CalibrationError:
        return
    assert (found.width, found.height) == size
    assert np.isfinite(found.matrix).all()
