"""The geometric check on rendered views with known motion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.loops import LoopConfig
from a2gc_ros.loops.verification import GeometricVerifier, estimators, views
from a2gc_ros.loops.verification.camera import is_usable, normalized_points, parse_intrinsics
from a2gc_ros.loops.verification.feature_finder import FeatureFinder, for_detection
from a2gc_ros.loops.verification.features import coverage, match
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.thumbnails import encode_jpeg, intrinsics_json

ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def camera_of(image: np.ndarray) -> CameraIntrinsics:
    height, width = image.shape[:2]
    focal = 0.65 * width
    matrix = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]])
    return CameraIntrinsics(width, height, matrix, np.zeros(5))


def check(town, a: Pose, b: Pose, config: LoopConfig | None = None, *, calibrated: bool = True):
    verifier = GeometricVerifier(config or LoopConfig())
    views = []
    for pose in (a, b):
        image = town.view(pose @ ROBOT_CAMERA)
        views.append(verifier.view_of_frame(Frame(0, image, intrinsics=camera_of(image) if calibrated else None)))
    return verifier.verify(*views)


@pytest.mark.parametrize(
    ("way", "ahead", "lateral", "yaw"),
    [(10, 1.0, 0.6, 0.1), (10, -0.8, -0.5, -0.15), (10, 0.0, 0.8, 0.0), (20, 1.0, 0.0, 0.0), (50, 2.0, 1.0, 0.0)],
)
def test_the_relative_pose_is_the_true_one(town, way: float, ahead: float, lateral: float, yaw: float) -> None:
    keyframe = town.pose(way)
    query = town.pose(way + ahead, lateral=lateral) @ geometry.pose_from_xy_yaw(0, 0, yaw)
    result = check(town, query, keyframe)
    assert result.verified, result
    assert result.relative_pose is not None, result
    assert result.covariance is not None
    truth = geometry.relative(keyframe @ ROBOT_CAMERA, query @ ROBOT_CAMERA)
    assert np.degrees(geometry.rotation_angle(result.relative_pose, truth)) < 0.5
    direction = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    assert result.relative_pose[:3, 3] @ direction > np.cos(np.radians(6))
    assert np.linalg.norm(result.relative_pose[:3, 3]) == pytest.approx(1)
    assert not result.scale_known
    assert np.linalg.eigvalsh(result.covariance).min() > -1e-12
    assert 0 < np.degrees(np.sqrt(np.linalg.eigvalsh(result.covariance)[-1])) < 5
    assert result.inliers <= result.matches


def test_a_comparison_counts_whatever_the_thresholds_are(town) -> None:
    lax, strict = GeometricVerifier(LoopConfig()), GeometricVerifier(LoopConfig(min_inliers=5000))
    query, keyframe = (lax.view_of_frame(Frame(0, town.view(town.pose(way) @ ROBOT_CAMERA))) for way in (10.0, 11.0))
    passed, failed = lax.compare(query, keyframe), strict.compare(query, keyframe)
    assert passed.reason == ""
    assert failed.reason == "too few feature matches"
    assert (passed.matches, passed.inliers, passed.coverage) == (failed.matches, failed.inliers, failed.coverage)
    assert passed.matches >= passed.inliers >= 20
    assert passed.coverage >= 0.2
    assert not strict.locate(query, keyframe, failed).verified
    assert lax.locate(query, keyframe, passed) == lax.verify(query, keyframe)
    assert lax.compare(query, None).matches == 0


@pytest.mark.parametrize(
    ("size", "found_in"),
    [((640, 480), (448, 336)), ((1280, 720), (448, 252)), ((426, 240), (360, 203)), ((160, 120), (160, 120))],
)
def test_features_of_large_images_are_found_in_smaller_ones(town, size, found_in) -> None:
    image = cv2.resize(town.view(town.pose(10.0) @ ROBOT_CAMERA), size)
    view = GeometricVerifier(LoopConfig()).view_of_frame(Frame(0, image, intrinsics=camera_of(image)))
    assert (view.features.width, view.features.height) == found_in
    assert view.intrinsics is not None
    assert view.intrinsics.matrix[0, 0] == pytest.approx(0.65 * found_in[0])
    # What a map keeps of the same image gives the same features.
    kept = for_detection(cv2.imdecode(np.frombuffer(encode_jpeg(image), np.uint8), cv2.IMREAD_COLOR))
    assert kept.shape[:2] == found_in[::-1]


@pytest.mark.parametrize("kind", ["corners", "orb"])
def test_other_features_verify_places_too(town, kind: str) -> None:
    config = LoopConfig(features=kind)
    assert check(town, town.pose(11.0, lateral=0.5), town.pose(10.0), config).verified
    assert not check(town, town.pose(60.0), town.pose(10.0), config).verified


def test_corners_see_at_several_sizes(town) -> None:
    image = town.view(town.pose(10.0) @ ROBOT_CAMERA)
    extractor = FeatureFinder("corners", 1000)
    near, far = extractor.extract(image), extractor.extract(cv2.resize(image, None, fx=0.5, fy=0.5))
    pairs = match(near, far, 0.85)
    assert len(pairs) > 20
    # A point at half the size lies where pixels' centers say.
    off = near.points[pairs[:, 0]] - ((far.points[pairs[:, 1]] + 0.5) * 2 - 0.5)
    assert np.abs(np.median(off, axis=0)).max() < 0.6
    assert len(near.points) <= 600
    assert near.spreads is not None
    assert {1, 2, 4} >= set(near.spreads.tolist()) > {1}


@pytest.mark.parametrize("size", [(1, 1), (12, 300), (40, 60)])
def test_images_without_corners_have_none(size: tuple[int, int]) -> None:
    assert len(FeatureFinder("corners", 1000).extract(np.zeros((*size, 3), np.uint8)).points) == 0


def test_the_same_views_always_get_the_same_answer(town) -> None:
    first = check(town, town.pose(11.0, lateral=0.5), town.pose(10.0))
    cv2.setRNGSeed(123)
    np.random.default_rng().random(10)
    again = check(town, town.pose(11.0, lateral=0.5), town.pose(10.0))
    assert (first.inliers, first.matches) == (again.inliers, again.matches)
    assert first.relative_pose is not None
    np.testing.assert_array_equal(first.relative_pose, again.relative_pose)


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("other", [50.0, 80.0, 120.0])
def test_another_place_is_refused(town, calibrated: bool, other: float) -> None:
    result = check(town, town.pose(10.0), town.pose(other), calibrated=calibrated)
    assert not result.verified
    assert result.relative_pose is None
    assert result.reason


def test_without_calibration_there_is_a_place_but_no_pose(town) -> None:
    result = check(town, town.pose(11.0, lateral=0.5), town.pose(10.0), calibrated=False)
    assert result.verified
    assert result.relative_pose is None
    assert "not calibrated" in result.reason


def test_a_camera_that_only_turned_gets_no_pose(town) -> None:
    turned = town.pose(10.0) @ geometry.pose_from_xy_yaw(0, 0, 0.2)
    result = check(town, turned, town.pose(10.0))
    assert result.verified
    assert result.relative_pose is None
    assert result.reason.startswith("no pose")


def test_a_single_wall_gets_no_pose(town) -> None:
    wall = town.panels[3].texture
    views = []
    verifier = GeometricVerifier(LoopConfig())
    for shift in (0.0, 40.0):
        corners = np.float32([[30 + shift, 20], [330 + shift, 20 + shift / 4], [340 + shift, 270], [20 + shift, 280]])
        matrix = cv2.getPerspectiveTransform(np.float32([[0, 0], [127, 0], [127, 127], [0, 127]]), corners)
        image = cv2.warpPerspective(wall, matrix, (400, 300))
        views.append(verifier.view_of_frame(Frame(0, image, intrinsics=camera_of(image))))
    result = verifier.verify(*views)
    assert result.verified
    assert result.relative_pose is None
    assert result.reason.startswith("no pose")


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((300, 400, 3), np.uint8),
        np.full((1, 1, 3), 9, np.uint8),
        np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8),
        np.tile(np.kron([[0, 255], [255, 0]], np.ones((12, 12))).astype(np.uint8)[:, :, None], (12, 16, 3)),
    ],
    ids=["black", "one pixel", "noise", "chessboard"],
)
def test_images_without_a_place_in_them_are_refused(town, image: np.ndarray) -> None:
    verifier = GeometricVerifier(LoopConfig())
    good = verifier.view_of_frame(Frame(0, town.view(town.pose(10.0) @ ROBOT_CAMERA)))
    bad = verifier.view_of_frame(Frame(0, image))
    assert not verifier.verify(good, bad).verified
    assert not verifier.verify(bad, good).verified


def test_inliers_in_one_corner_are_not_enough(town) -> None:
    verifier = GeometricVerifier(LoopConfig(min_inliers=10, min_coverage=0.2))
    images = []
    for other in (60.0, 100.0):
        image = town.view(town.pose(other) @ ROBOT_CAMERA)
        image[:110, :130] = cv2.resize(town.panels[5].texture, (130, 110))
        images.append(verifier.view_of_frame(Frame(0, image)))
    result = verifier.verify(*images)
    assert not result.verified
    assert result.inliers >= 10
    assert "cover too little" in result.reason


def test_an_estimator_that_fails_inside_is_no_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some OpenCV versions raise instead of returning nothing; points on one spot provoke degenerate samples."""

    def broken(*_: object) -> None:
        raise cv2.error("an assertion in the estimator")

    points = np.zeros((40, 2))
    assert estimators.fitted(broken, points, points) is None
    assert estimators.fitted(cv2.findFundamentalMat, points, points, cv2.USAC_MAGSAC, 1.0, 0.99, 100) is None


def test_views_of_keyframes_come_from_the_map_and_are_kept_for_the_latest(
    town, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = town.view(town.pose(10.0) @ ROBOT_CAMERA)
    descriptor = np.eye(4, dtype=np.float32)[0]
    with PlaceMap.create(":memory:", Manifest("f" * 64, 4)) as place_map:
        session = place_map.add_session("x")
        large = CameraIntrinsics(800, 600, camera_of(image).matrix * [[2], [2], [1]], np.zeros(5))
        text = intrinsics_json(large)
        for at in range(6):
            jpeg = encode_jpeg(image) if at < 4 else (b"broken", None)[at - 4]
            place_map.add(session.id, at, descriptor, image_jpeg=jpeg, intrinsics_json=text if at else "{}")
        verifier = GeometricVerifier(LoopConfig())
        view = verifier.view_of_keyframe(place_map, 2)
        assert view is not None
        assert view.intrinsics is not None
        assert view.intrinsics.width == 360
        # Two like it, and those three of which nothing is known; the room of a map is given twice.
        room = 2 * views._bytes(view) + 4 * views._bytes(None)
        monkeypatch.setattr(views, "CACHED_BYTES", room // 2)
        assert verifier.view_of_keyframe(place_map, 2) is view
        # No calibration, no image, damaged image: there is no view.
        assert verifier.view_of_keyframe(place_map, 1) is None
        assert verifier.view_of_keyframe(place_map, 5) is None
        assert verifier.view_of_keyframe(place_map, 6) is None
        assert verifier.verify(view, None).reason == "the keyframe has no readable image"
        for keyframe_id in (3, 4, 5):
            verifier.view_of_keyframe(place_map, keyframe_id)
        kept = verifier._keyframes._cache
        assert [number for _, _, number in kept] == [1, 6, 3, 4, 5]
        assert sum(map(views._bytes, kept.values())) == verifier._keyframes._bytes <= room
        assert verifier.view_of_keyframe(place_map, 2) is not view


def test_the_newest_view_is_kept_however_large(town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "CACHED_BYTES", 0)
    with PlaceMap.create(":memory:", Manifest("f" * 64, 4)) as place_map:
        session, jpeg = place_map.add_session("x"), encode_jpeg(town.view(town.pose(10.0) @ ROBOT_CAMERA))
        for at in range(2):
            place_map.add(session.id, at, np.eye(4, dtype=np.float32)[0], image_jpeg=jpeg)
        verifier = GeometricVerifier(LoopConfig())
        view = verifier.view_of_keyframe(place_map, 1)
        assert verifier.view_of_keyframe(place_map, 1) is view
        assert verifier.view_of_keyframe(place_map, 2) is not None
        assert verifier.view_of_keyframe(place_map, 1) is not view


def test_several_threads_compare_the_same_in_order(town) -> None:
    queries, keyframes = (
        [Frame(i, town.view(town.pose(way) @ ROBOT_CAMERA)) for i, way in enumerate(ways)]
        for ways in ([10.2], [10.0, 30.0, 10.5, 9.0])
    )
    found = []
    for threads in (1, 3):
        verifier = GeometricVerifier(LoopConfig(), threads=threads)
        query, *others = (verifier.view_of_frame(frame) for frame in (*queries, *keyframes))
        each = list(verifier.compare_each((query, other) for other in others))
        found.append([(c.pairs.tolist(), c.agreeing.tolist(), c.coverage, c.reason) for c in each])
    assert found[0] == found[1]
    assert len({len(pairs) for pairs, *_ in found[0]}) == len(keyframes)


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_normalised_points_undo_the_projection(model: str) -> None:
    rng = np.random.default_rng(0)
    rays = rng.uniform(-0.4, 0.4, (50, 2))
    matrix = np.array([[300.0, 0, 199.5], [0, 310.0, 149.5], [0, 0, 1]])
    distortion = {
        "plumb_bob": [-0.2, 0.05, 0.001, -0.001, 0.0],
        "rational_polynomial": [0.1, 0.02, 0.0, 0.001, 0.01, 0.05, 0.01, 0.0],
        "equidistant": [0.02, -0.01, 0.003, 0.0],
    }[model]
    homogeneous = np.hstack([rays, np.ones((50, 1))])[:, None]
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    pixels = project(homogeneous, np.zeros(3), np.zeros(3), matrix, np.array(distortion))[0]
    intrinsics = CameraIntrinsics(400, 300, matrix, np.array(distortion), model)
    np.testing.assert_allclose(normalized_points(pixels.reshape(-1, 2), intrinsics), rays, atol=2e-3)


def test_calibrations_are_read_back_and_damaged_ones_refused() -> None:
    intrinsics = camera_of(np.zeros((300, 400, 3)))
    read = parse_intrinsics(intrinsics_json(intrinsics))
    assert read is not None
    np.testing.assert_array_equal(read.matrix, intrinsics.matrix)
    assert (read.width, read.height, read.model) == (400, 300, "plumb_bob")
    assert parse_intrinsics(None) is None
    for text in ("", "{}", "[1]", '{"width": 1, "height": 1, "matrix": [1], "distortion": [], "model": ""}'):
        with pytest.raises(MapError, match="calibration"):
            parse_intrinsics(text)


def test_a_calibration_of_zeros_is_none() -> None:
    assert not is_usable(CameraIntrinsics(400, 300, np.zeros((3, 3)), np.zeros(5)))
    assert not is_usable(CameraIntrinsics(0, 0, np.eye(3), np.zeros(5)))
    assert not is_usable(None)
    assert is_usable(CameraIntrinsics(400, 300, np.eye(3), np.zeros(5)))


@pytest.mark.parametrize("kind", ["sift", "corners", "orb"])
def test_matches_are_mutual_and_one_to_one(town, kind: str) -> None:
    extractor = FeatureFinder(kind, 500)
    a = extractor.extract(town.view(town.pose(10.0) @ ROBOT_CAMERA))
    b = extractor.extract(town.view(town.pose(10.5) @ ROBOT_CAMERA))
    pairs = match(a, b, 0.85)
    assert len(pairs) > 20
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    np.testing.assert_allclose(np.linalg.norm(a.descriptors, axis=1), 1, atol=1e-5)
    back = match(b, a, 0.85)
    there = {(*np.round(a.points[i]), *np.round(b.points[j])) for i, j in pairs}
    assert there == {(*np.round(a.points[i]), *np.round(b.points[j])) for j, i in back}


@pytest.mark.parametrize(
    ("points", "share"),
    [
        (np.empty((0, 2)), 0.0),
        (np.array([[0.0, 0], [1, 1]]), 0.04),
        (np.array([[0.0, 0], [1, 1], [99.9, 99.9], [-0.4, -0.4], [99.0, 98.0]]), 0.08),
        (np.array([[0.0, 0], [99.9, 99.9]]), 0.0),
    ],
)
def test_coverage_counts_cells(points: np.ndarray, share: float) -> None:
    assert coverage(points, 100, 100) == pytest.approx(share)
