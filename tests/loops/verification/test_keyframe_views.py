"""A keyframe's features come from the map, or from its image; its neighbors give it metres."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import CameraIntrinsics, Frame
from a2gc_ros.loops import LoopConfig
from a2gc_ros.loops.verification import GeometricVerifier, landmarks
from a2gc_ros.loops.verification.feature_finder import FeatureFinder
from a2gc_ros.loops.verification.views import neighbors_of
from a2gc_ros.placemap import FeatureBlob, Manifest, NewKeyframe, PlaceMap
from a2gc_ros.placemap.thumbnails import encode_jpeg, intrinsics_json

ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
CAMERA = CameraIntrinsics(400, 300, np.array([[260.0, 0, 199.5], [0, 260.0, 149.5], [0, 0, 1]]), np.zeros(5))
Store = Callable[..., PlaceMap]


@pytest.fixture
def store(town):
    """Maps ten metres of the street, in a map in memory."""
    opened: list[PlaceMap] = []

    def make(
        *, features: str | None = "sift", image: bool = True, posed: bool = True, mounted: bool = True
    ) -> PlaceMap:
        place_map = PlaceMap.create(":memory:", Manifest("f" * 64, 4))
        opened.append(place_map)
        session = place_map.add_session("street")
        finder = None if features is None else FeatureFinder(features, 1000)
        for number, way in enumerate(np.arange(6.0, 16.0)):
            pose = town.pose(way)
            picture = town.view(pose @ ROBOT_CAMERA)
            keyframe = NewKeyframe(
                number,
                np.eye(4, dtype=np.float32)[0],
                pose=pose if posed else None,
                image_jpeg=encode_jpeg(picture) if image else None,
                intrinsics_json=intrinsics_json(CAMERA),
                t_base_camera=ROBOT_CAMERA if mounted else None,
                features=None if finder is None else finder.find_encoded(Frame(number, picture)),
            )
            place_map.add_many(session.id, [keyframe])
        return place_map

    yield make
    for place_map in opened:
        place_map.close()


def ask(town, place_map: PlaceMap, query: Pose, keyframe_id: int = 5):
    verifier = GeometricVerifier(LoopConfig())
    frame = Frame(99, town.view(query @ ROBOT_CAMERA), intrinsics=CAMERA)
    return verifier.verify(verifier.view_of_frame(frame), verifier.view_of_keyframe(place_map, keyframe_id))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "image"), [("sift", True), ("sift", False), (None, True), ("corners", True), ("orb", True)]
)
def test_features_come_from_the_map_or_else_from_the_image(town, store: Store, features: str, image: bool) -> None:
    query = town.pose(10.6, lateral=0.5)
    result = ask(town, store(features=features, image=image), query)
    assert result.verified, result
    assert result.scale_known, result
    truth = geometry.relative(town.pose(10.0) @ ROBOT_CAMERA, query @ ROBOT_CAMERA)
    assert result.relative_pose is not None
    assert geometry.distance(result.relative_pose, truth) < 0.15
    assert np.degrees(geometry.rotation_angle(result.relative_pose, truth)) < 0.7


def test_without_features_and_image_there_is_no_view(store: Store) -> None:
    assert GeometricVerifier(LoopConfig()).view_of_keyframe(store(features=None, image=False), 5) is None


def test_damaged_features_are_no_view(store: Store) -> None:
    place_map = store()
    with place_map.transaction() as connection:
        connection.execute("UPDATE features SET data = x'00'")
    assert GeometricVerifier(LoopConfig()).view_of_keyframe(place_map, 5) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"posed": False}, "no scale: the map has no odometry there"),
        ({"mounted": False}, "no scale: the camera's pose on the robot is not known"),
    ],
)
def test_without_metres_the_direction_stays(town, store: Store, options: dict, said: str) -> None:
    result = ask(town, store(**options), town.pose(10.6, lateral=0.5))
    assert result.verified
    assert not result.scale_known
    assert result.relative_pose is not None
    assert np.linalg.norm(result.relative_pose[:3, 3]) == pytest.approx(1)
    assert result.reason == said


def test_the_same_spot_has_a_pose_too(town, store: Store) -> None:
    """Two views from one spot have no direction of motion; landmarks have a position for them."""
    result = ask(town, store(), town.pose(10.0))
    assert result.scale_known, result
    assert result.relative_pose is not None
    assert np.linalg.norm(result.relative_pose[:3, 3]) < 0.1


def test_neighbours_are_chosen_by_distance_on_both_sides(store: Store) -> None:
    place_map = store()
    assert neighbors_of(place_map, place_map.keyframe(5)) == [4, 2, 6, 8]
    assert neighbors_of(place_map, place_map.keyframe(1)) == [2, 4]
    other = place_map.add_session("other")
    pose = np.eye(4)
    added = place_map.add(other.id, 100, np.eye(4, dtype=np.float32)[0], pose=pose, features=FeatureBlob("x", b""))
    assert neighbors_of(place_map, place_map.keyframe(added)) == []
    assert neighbors_of(place_map, place_map.keyframe(10)) == [9, 7]


def test_landmarks_that_were_expected_are_the_same_and_are_measured_once(
    town, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    measure = landmarks.measure
    monkeypatch.setattr(
        landmarks, "measure", lambda keyframe, *more: measured.append(keyframe.number) or measure(keyframe, *more)
    )
    place_map, found = store(), []
    frame = Frame(99, town.view(town.pose(10.6) @ ROBOT_CAMERA), intrinsics=CAMERA)
    for threads in (1, 2):
        measured.clear()
        verifier = GeometricVerifier(LoopConfig(), threads=threads)
        # What was expected and is not begun is forgotten, what is no keyframe is no matter.
        verifier.expect([(place_map, 5), (place_map, 99), (place_map, 5)])
        query, keyframe = verifier.view_of_frame(frame), verifier.view_of_keyframe(place_map, 5)
        found.append(verifier.verify(query, keyframe))
        assert measured == [5]
    assert found[0].scale_known
    assert np.array_equal(found[0].relative_pose, found[1].relative_pose)
    assert np.array_equal(found[0].covariance, found[1].covariance)


def test_what_is_expected_no_more_is_not_measured(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place_map, verifier = store(), GeometricVerifier(LoopConfig(), threads=2)
    begun, go_on, asked = threading.Event(), threading.Event(), []

    def measure(_: PlaceMap, number: int) -> None:
        asked.append(number)
        begun.set()
        assert go_on.wait(10)

    monkeypatch.setattr(verifier, "_measure", measure)
    verifier.expect([(place_map, 1), (place_map, 2), (place_map, 3)])
    assert begun.wait(10)
    verifier.expect([(place_map, 3), (place_map, 4)])
    go_on.set()
    for future in verifier._ahead.values():
        future.result(10)
    assert asked == [1, 3, 4]
