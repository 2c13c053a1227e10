"""Metres come out of calibrations that fit, whatever their make, and out of no others: the true poses are known."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose
from a2gc_ros.images.calibration import CameraCalibration
from a2gc_ros.images.frame import Frame
from a2gc_ros.images.image_calibration import ImageCalibration
from a2gc_ros.loops import LoopConfig, Verification
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.thumbnails import intrinsics_json

WIDTH, HEIGHT, FOCAL = 400, 300, 260.0
K = np.array([[FOCAL, 0, WIDTH / 2 - 0.5], [0, FOCAL, HEIGHT / 2 - 0.5], [0, 0, 1]])
P = np.hstack([K, np.zeros((3, 1))])
ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
KEYFRAMES = np.arange(18.0, 27.0)
QUERIES = np.array([23.4, 24.6, 25.7])
BEHIND_M = 2.5
WITHIN_M = 0.1

Image = np.ndarray
Array = np.ndarray

BARREL = (-0.28, 0.09, 0.001, -0.0007, -0.01)
RATIONAL = (0.9, 0.3, 0.0005, -0.0003, 0.02, 1.25, 0.5, 0.06)
FISHEYE = (-0.02, 0.01, -0.004, 0.0005)


def as_it_is(image: Image) -> Image:
    return image


def warped(rays_of: Callable[[np.ndarray], np.ndarray]) -> Callable[[Image], Image]:
    """A camera whose pixels (N, 1, 2) look along ``rays_of`` them: it takes a pinhole image and gives its own."""

    # Not before a test asks: it costs seconds, and every process of the tests reads this file.
    @functools.cache
    def maps() -> np.ndarray:
        u, v = np.meshgrid(np.arange(WIDTH, dtype=np.float64), np.arange(HEIGHT, dtype=np.float64))
        rays = rays_of(np.stack([u.ravel(), v.ravel()], axis=1)[:, None]).reshape(HEIGHT, WIDTH, 2)
        return (rays * FOCAL + K[:2, 2]).astype(np.float32)

    return lambda image: cv2.remap(image, maps(), None, cv2.INTER_CUBIC)  # type: ignore[call-overload]


def iterated(coefficients: tuple[float, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Directions of the pixels of a lens, from OpenCV's maps for undistortion by fixed-point steps of our own."""

    def rays_of(pixels: np.ndarray) -> np.ndarray:
        wanted = (pixels[:, 0] - K[:2, 2]) / FOCAL
        rays = wanted.copy()
        for _ in range(60):
            points = np.column_stack([rays, np.ones(len(rays))])[:, None]
            there, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array(coefficients))
            step = wanted - there.reshape(-1, 2)
            rays = rays + step
            if np.abs(step).max() < 1e-9:
                break
        return rays

    return rays_of


def fisheye(pixels: np.ndarray) -> np.ndarray:
    return cv2.fisheye.undistortPoints(pixels, K, np.array(FISHEYE))


def window(x: int, y: int, width: int, height: int) -> Callable[[Image], Image]:
    return lambda image: np.ascontiguousarray(image[y : y + height, x : x + width])


def halved(image: Image) -> Image:
    return np.asarray(cv2.resize(image, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA))


def doubled(image: Image) -> Image:
    return np.asarray(cv2.resize(image, (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC))


@dataclass(frozen=True)
class Case:
    """What a camera sends, and what it says of it."""

    sends: Callable[[Image], Image] = as_it_is
    says: dict[str, Any] = field(default_factory=dict)
    topic: str = "/camera/image_raw"
    refused: str = ""
    noted: str = ""

    @property
    def calibration(self) -> CameraCalibration:
        given = {"matrix": K, "projection": P, "distortion": np.zeros(0), "model": "plumb_bob"} | self.says
        given["distortion"] = np.asarray(given["distortion"], dtype=np.float64)
        return CameraCalibration(**{"width": WIDTH, "height": HEIGHT} | given)


def lens(model: str, coefficients: tuple[float, ...], **more: Any) -> dict[str, Any]:
    return {"model": model, "distortion": coefficients} | more


BARREL_CAMERA = warped(iterated(BARREL))
RATIONAL_CAMERA = warped(iterated(RATIONAL))
FISHEYE_CAMERA = warped(fisheye)
OTHER_K = K * np.array([[1.6, 1, 1], [1, 1.6, 1], [1, 1, 1]])

FITTING = {
    "plumb_bob": Case(BARREL_CAMERA, lens("plumb_bob", BARREL)),
    "radtan with four": Case(warped(iterated(BARREL[:4])), lens("radial-tangential", BARREL[:4])),
    "rational_polynomial": Case(RATIONAL_CAMERA, lens("rational_polynomial", RATIONAL)),
    "eight under plumb_bob": Case(RATIONAL_CAMERA, lens("plumb_bob", RATIONAL)),
    "fisheye": Case(FISHEYE_CAMERA, lens("fisheye", FISHEYE)),
    "kannala_brandt4 with five": Case(FISHEYE_CAMERA, lens("Kannala_Brandt4", (*FISHEYE, 0.0))),
    "no name and no coefficients": Case(says=lens("", ())),
    "region of interest": Case(window(40, 0, 320, 280), {"window": (40, 0, 320, 280)}),
    "binning": Case(halved, {"width": 400, "binning": (2, 2)}),
    "region and binning": Case(
        lambda image: window(20, 4, 160, 140)(halved(image)), {"window": (40, 8, 320, 280), "binning": (2, 2)}
    ),
    "rectified by name": Case(says=lens("plumb_bob", BARREL, matrix=OTHER_K), topic="/camera/image_rect_color"),
    "another size": Case(doubled, noted="scaled"),
    "nothing says that it is raw": Case(BARREL_CAMERA, lens("plumb_bob", BARREL), "/camera/image", noted="raw ones"),
}

FAST = ("plumb_bob", "fisheye", "region and binning")
"""Of these; the others are as slow and say little more about a change."""

FOREIGN = {
    "another shape": Case(window(0, 37, 400, 225), refused="another shape"),
    "an unknown lens": Case(BARREL_CAMERA, lens("double_sphere", BARREL[:4]), refused="'double_sphere' of"),
    "one coefficient": Case(says=lens("plumb_bob", (0.0,)), refused="1 distortion coefficients"),
    "nothing names the model": Case(BARREL_CAMERA, lens("", BARREL), refused="does not say of which model"),
    "fisheye with eight": Case(FISHEYE_CAMERA, lens("fisheye", RATIONAL), refused="has four"),
    "a region that was not cut": Case(says={"window": (40, 0, 320, 280)}, refused="320x280"),
    "a region outside": Case(says={"window": (200, 0, 320, 280)}, refused="outside the calibrated image"),
    "binning that was not done": Case(says={"binning": (2, 2)}, refused="200x150"),
    "rectified without P": Case(says={"projection": np.zeros((3, 4))}, topic="/image_rect", refused="no P"),
    "zeros": Case(says={"matrix": np.zeros((3, 3)), "projection": np.zeros((3, 4))}, refused="not calibrated"),
    "no size": Case(says={"width": 0, "height": 0}, refused="as 0x0"),
    "infinite": Case(says={"matrix": np.full((3, 3), np.inf)}, refused="no camera matrix"),
    "no rotation": Case(says={"rotation": np.ones((3, 3))}, refused="R of camera_info"),
}


@pytest.fixture(scope="module")
def views(town: Any) -> dict[float, tuple[Image, Pose]]:
    """What a pinhole camera sees along a street, and the robot's pose."""
    poses = {way: town.pose(way) for way in KEYFRAMES} | {way: town.pose(way, lateral=1.0) for way in QUERIES}
    return {way: (town.view(pose @ ROBOT_CAMERA), pose) for way, pose in poses.items()}


def located(
    case: Case, views: dict[float, tuple[Image, Pose]], keyframes: Array = KEYFRAMES, queries: Array = QUERIES
) -> tuple[list[Verification], list[float], Any]:
    """Maps one drive, checks another against it, and returns what comes out with its errors in metres."""
    calibration = ImageCalibration(case.topic)
    calibration.use(case.calibration)

    def frame(way: float) -> Frame:
        image = case.sends(views[way][0])
        intrinsics, problem = calibration.at(image.shape[1], image.shape[0])
        return Frame(round(way * 1e9), image, "camera", intrinsics, views[way][1], ROBOT_CAMERA, None, problem)

    verifier = GeometricVerifier(LoopConfig())
    found, errors = [], []
    with PlaceMap.create(":memory:", Manifest("f" * 64, 8, "test")) as place_map:
        session = place_map.add_session("first").id
        for way in keyframes:
            seen = frame(way)
            place_map.add(
                session,
                seen.stamp_ns,
                np.full(8, 8**-0.5, np.float32),
                pose=seen.pose,
                intrinsics_json=intrinsics_json(seen.intrinsics),
                t_base_camera=ROBOT_CAMERA,
                features=verifier.encoded(verifier.view_of_frame(seen)),
            )
        for way in queries:
            at = int(np.argmin(np.abs(keyframes + BEHIND_M - way)))
            keyframe = verifier.view_of_keyframe(place_map, at + 1)
            result = verifier.verify(verifier.view_of_frame(frame(way)), keyframe)
            found.append(result)
            if result.scale_known and result.relative_pose is not None:
                ends = (views[keyframes[at]][1] @ ROBOT_CAMERA, views[way][1] @ ROBOT_CAMERA)
                errors.append(geometry.distance(result.relative_pose, geometry.relative(*ends)))
    return found, errors, calibration


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in FITTING]
)
def test_a_calibration_that_fits_gives_true_metres(name: str, views: Any) -> None:
    case = FITTING[name]
    found, errors, calibration = located(case, views)
    assert [result.verified for result in found] == [True] * len(QUERIES), found
    assert len(errors) == len(QUERIES), [result.reason for result in found]
    assert max(errors) < WITHIN_M
    assert [case.noted in note for note in calibration.notes] == ([True] if case.noted else [])


def test_the_wrong_lens_is_seen_in_the_metres(views: Any) -> None:
    """What the bound above is worth: a fisheye read as a pinhole camera lies beyond it.

    Not at each query: query and keyframe are bent alike, and at one of them the two errors happen to cancel.
    """
    _, errors, _ = located(Case(FITTING["fisheye"].sends), views)
    assert np.median(errors) > WITHIN_M


@pytest.mark.slow
@pytest.mark.parametrize("name", FOREIGN)
def test_a_calibration_that_does_not_fit_gives_no_metres_and_says_why(name: str, views: Any) -> None:
    case = FOREIGN[name]
    found, errors, calibration = located(case, views, KEYFRAMES[3:5], QUERIES[:1])
    assert errors == []
    assert all(result.relative_pose is None for result in found)
    assert all(result.verified and case.refused in result.reason for result in found), found
    assert len(calibration.notes) == 1
    assert case.refused in calibration.notes[0]


def test_raw_and_rectified_images_of_a_turned_lens_lie_in_one_frame(views: Any) -> None:
    """R turns what the lens sees into the frame of the rectified images, as image_geometry has it."""
    turn = cv2.Rodrigues(np.array([0.03, -0.05, 0.02]))[0]
    raw = warped(lambda pixels: cv2.undistortPoints(pixels, K, np.zeros(0), R=turn))
    _, errors, _ = located(Case(raw, {"rotation": turn}), views)
    assert len(errors) == len(QUERIES)
    assert max(errors) < WITHIN_M


def test_a_stored_calibration_of_another_shape_is_not_used(views: Any) -> None:
    """Older versions stored what the camera said, whatever the image was."""
    image, pose = views[QUERIES[0]]
    calibration = ImageCalibration("/image_raw")
    calibration.use(Case().calibration)
    intrinsics, _ = calibration.at(WIDTH, HEIGHT)
    assert intrinsics is not None
    frame = Frame(1, window(0, 37, 400, 225)(image), "camera", intrinsics, pose, ROBOT_CAMERA)
    view = GeometricVerifier(LoopConfig()).view_of_frame(frame)
    assert view.rays is None
    assert "another shape" in view.uncalibrated
