"""The whole chain on a drive round a block: what is found is right, and it does not depend on anything but frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig, LoopDetector
from a2gc_ros.placemap import Manifest, PlaceMap

STAGES = ("search", "features", "comparison", "store", "evidence", "location", "agreement", "total")

FIRST = 36
"""Frames of the first time along the street."""

DIM = 8 * 12 * 8
CONFIG = LoopConfig()
BLANK = np.zeros((8, 8, 3), dtype=np.uint8)

Frames = Sequence[tuple[Frame, npt.NDArray[np.float32]]]


def live_map(dim: int = DIM) -> PlaceMap:
    return PlaceMap.create(":memory:", Manifest("f" * 64, dim, "test"))


def detect(frames: Frames, config: LoopConfig = CONFIG, maps: Sequence[PlaceMap] = ()) -> list[Detection]:
    with live_map(len(frames[0][1])) as place_map:
        detector = LoopDetector(config, place_map, maps)
        return [detector.process(frame, descriptor) for frame, descriptor in frames]


def timeless(detections: Sequence[Detection]) -> list[Detection]:
    out = [dataclasses.replace(d, timings_ms={}) for d in detections]
    for detection in out:
        detection.closures = [
            dataclasses.replace(
                closure,
                verification=closure.verification
                and dataclasses.replace(closure.verification, relative_pose=None, covariance=None),
            )
            for closure in detection.closures
        ]
        detection.verifications = []
    return out


def errors(detections: Sequence[Detection], frames: Frames, way_of: Callable[[int], Pose]) -> list[float]:
    """Returns the distance between query and keyframe of every closure, metres."""
    poses = {frame.stamp_ns: frame.pose for frame, _ in frames}
    return [
        geometry.distance(poses[c.match.query_stamp_ns], way_of(c.match.keyframe_stamp_ns))
        for d in detections
        for c in d.closures
    ]


@pytest.fixture(scope="module")
def twice(drive: Callable) -> Frames:
    """Along a street round a corner, and again later, half a metre aside and in other light."""
    return [*drive(12, 12 + FIRST), *drive(14, 44, lateral=0.5, light=0.8, start_s=100)]


@pytest.fixture(scope="module")
def detections(twice: Frames) -> list[Detection]:
    return detect(twice)


def test_the_second_time_is_recognised_and_nothing_else(detections: list[Detection], twice: Frames) -> None:
    poses = {frame.stamp_ns: frame.pose for frame, _ in twice}
    found = errors(detections, twice, lambda stamp: poses[stamp])
    assert max(found) < 5.0
    second = detections[FIRST:]
    assert sum(bool(d.closures) for d in second) > 0.6 * len(second)
    assert not any(d.closures for d in detections[:FIRST])
    for detection in detections:
        for closure in detection.closures:
            assert not closure.is_relocalization
            assert closure.probability is not None
            assert closure.probability >= 1 - CONFIG.max_false_positive_rate
            assert closure.verification is not None
            assert closure.verification.inliers >= CONFIG.min_inliers
        assert set(detection.candidates) <= set(detection.matches)
        similarities = [m.similarity for m in detection.matches]
        assert similarities == sorted(similarities, reverse=True)


def test_relative_poses_of_closures_are_right(detections: list[Detection], twice: Frames) -> None:
    camera = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
    poses = {frame.stamp_ns: frame.pose for frame, _ in twice}
    turns, ways = [], []
    for closure in (closure for d in detections for closure in d.closures):
        assert closure.verification is not None
        estimate = closure.verification.relative_pose
        if estimate is None:
            continue
        truth = geometry.relative(
            poses[closure.match.keyframe_stamp_ns] @ camera, poses[closure.match.query_stamp_ns] @ camera
        )
        turns.append(np.degrees(geometry.rotation_angle(estimate, truth)))
        cosine = estimate[:3, 3] @ truth[:3, 3] / np.linalg.norm(truth[:3, 3])
        ways.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    assert len(turns) > 10
    assert np.quantile(turns, 0.9) < 1.0
    assert np.quantile(ways, 0.9) < 12.0


@pytest.mark.slow
def test_the_same_frames_give_the_same_detections(twice: Frames) -> None:
    some = [*twice[:12], *twice[FIRST : FIRST + 10]]
    first = detect(some)
    assert any(d.closures for d in first)
    assert timeless(detect(some)) == timeless(first)
    later = [(dataclasses.replace(frame, stamp_ns=frame.stamp_ns + 10**18), d) for frame, d in some]
    for before, after in zip(first, detect(later), strict=True):
        assert [c.match.keyframe_id for c in before.closures] == [c.match.keyframe_id for c in after.closures]


def test_nothing_of_the_recent_past_is_matched(detections: list[Detection], twice: Frames) -> None:
    for detection in detections:
        for match in detection.matches:
            assert match.query_stamp_ns == detection.stamp_ns
            assert detection.stamp_ns - match.keyframe_stamp_ns >= CONFIG.min_time_gap_s * 1e9


def test_a_frame_is_matched_before_it_is_added(detections: list[Detection]) -> None:
    for detection in detections:
        if detection.keyframe_id is None:
            assert not detection.candidates
            assert set(detection.timings_ms) == {"search", "total"}
            continue
        assert all(match.keyframe_id < detection.keyframe_id for match in detection.matches)
        assert set(detection.timings_ms) == {*STAGES}


@pytest.mark.slow
def test_a_loaded_map_and_the_live_session_together(drive: Callable) -> None:
    with live_map() as loaded:
        mapping = LoopDetector(CONFIG, loaded)
        before = drive(55, 80)
        for frame, descriptor in before:
            mapping.process(frame, descriptor)
        frames = [*drive(58, 76, lateral=-0.4, start_s=500), *drive(60, 74, lateral=0.3, start_s=560)]
        detections = detect(frames, CONFIG, [loaded])
    stamps = {frame.stamp_ns: frame.pose for frame, _ in before}
    own = {frame.stamp_ns: frame.pose for frame, _ in frames}
    relocalizations = [c for d in detections for c in d.closures if c.is_relocalization]
    closures = [c for d in detections for c in d.closures if not c.is_relocalization]
    assert len(relocalizations) > 15
    assert len(closures) > 5
    for closure in relocalizations:
        assert closure.match.map_index == 1
        query = own[closure.match.query_stamp_ns]
        assert geometry.distance(query, stamps[closure.match.keyframe_stamp_ns]) < 5
    for closure in closures:
        assert geometry.distance(own[closure.match.query_stamp_ns], own[closure.match.keyframe_stamp_ns]) < 5
    assert any(len({c.match.map_index for c in d.closures}) == 2 for d in detections)


@pytest.mark.slow
def test_a_robot_carried_from_one_map_to_another_is_found_again(drive: Callable) -> None:
    """Two maps are loaded; odometry does not notice that the robot was carried from the one to the other."""
    with live_map() as first, live_map() as second:
        stamps: list[dict[int, Pose]] = []
        for place_map, way in ((first, 12), (second, 84)):
            mapping, before = LoopDetector(CONFIG, place_map), drive(way, way + 26)
            for frame, descriptor in before:
                mapping.process(frame, descriptor)
            stamps.append({frame.stamp_ns: frame.pose for frame, _ in before})
        there, carried = drive(14, 32, lateral=-0.4, start_s=500), drive(87, 107, lateral=0.3, start_s=520)
        unnoticed = there[-1][0].pose @ geometry.inverse(carried[0][0].pose)
        moved = [(dataclasses.replace(f, pose=unnoticed @ f.pose), descriptor) for f, descriptor in carried]
        detections = detect([*there, *moved], CONFIG, [first, second])
    true = {frame.stamp_ns: frame.pose for frame, _ in (*there, *carried)}
    found = [c.match for d in detections for c in d.closures if c.is_relocalization]
    for match in found:
        assert geometry.distance(true[match.query_stamp_ns], stamps[match.map_index - 1][match.keyframe_stamp_ns]) < 5
    by_map = [[m.query_stamp_ns for m in found if m.map_index == index] for index in (1, 2)]
    assert max(by_map[0]) < 520 * 10**9 <= min(by_map[1]) < 530 * 10**9
    assert min(map(len, by_map)) > 8


@pytest.mark.slow
def test_another_town_is_not_recognised(drive: Callable, town) -> None:
    other = type(town)(seed=99)
    frames = []
    for frame, _ in drive(12, 32, start_s=1000):
        from_other = other.view(frame.pose @ np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]))
        frames.append(dataclasses.replace(frame, image=from_other))
    with live_map() as loaded:
        mapping = LoopDetector(CONFIG, loaded)
        for frame, descriptor in drive(10, 36):
            mapping.process(frame, descriptor)
        # Even where every descriptor agrees, as in a town of look-alikes, the geometry does not.
        lying = [(frame, descriptor) for frame, (_, descriptor) in zip(frames, drive(12, 32), strict=True)]
        detections = detect(lying, CONFIG, [loaded])
    assert sum(bool(d.candidates) for d in detections) > 10
    assert not any(d.closures for d in detections)


def made(places: Sequence[float], *, rate_hz: float = 1.0, poses: bool = True, dim: int = 64) -> Frames:
    """Makes frames without pictures: descriptors that change smoothly with the place on a line.

    Where the line has a gap, the robot takes its time to cross it unseen.
    """
    waves = np.random.default_rng(5).normal(0, 1 / 3.0, dim // 2)
    steps = np.abs(np.diff(places, prepend=places[0]))
    stamps = np.cumsum(np.where(steps > 5, steps / 10, 1 / rate_hz))
    frames = []
    for place, stamp in zip(places, stamps, strict=True):
        phases = place * waves
        descriptor = (np.concatenate([np.cos(phases), np.sin(phases)]) / (dim / 2) ** 0.5).astype(np.float32)
        pose = geometry.pose_from_xy_yaw(place, 0, 0) if poses else None
        frames.append((Frame(round(stamp * 1e9), BLANK, pose=pose), descriptor))
    return frames


PLAIN = LoopConfig(verify=False, store_images=False, min_time_gap_s=20.0, max_false_positive_rate=0.01)


@pytest.mark.parametrize("poses", [True, False])
@pytest.mark.parametrize("rate_hz", [1.0, 5.0, pytest.param(30.0, marks=pytest.mark.slow)])
def test_the_rate_of_the_camera_makes_no_difference(rate_hz: float, poses: bool) -> None:
    """One metre a second, there and back to the start, then the same way again."""
    step = 1 / rate_hz
    way = np.concatenate([np.arange(0, 60, step), np.arange(500, 540, step), np.arange(0, 60, step)])
    frames = made(way.tolist(), rate_hz=rate_hz, poses=poses)
    detections = detect(frames, PLAIN)
    place = {frame.stamp_ns: where for (frame, _), where in zip(frames, way, strict=True)}
    closures = [c for d in detections for c in d.closures]
    # Without odometry keyframes are as far apart as the descriptor takes to change, here some two metres.
    assert len(closures) > (50 if poses else 20)
    assert all(abs(place[c.match.query_stamp_ns] - place[c.match.keyframe_stamp_ns]) < 2.5 for c in closures)
    third = [stamp for stamp, where in place.items() if stamp > 150e9 and where < 60]
    assert third[0] < closures[0].match.query_stamp_ns < third[0] + 12e9


@pytest.mark.parametrize("poses", [True, False])
def test_the_opposite_direction_is_recognised(poses: bool) -> None:
    way = [*np.arange(0, 60, 1.0), *np.arange(500, 540, 1.0), *np.arange(60, 0, -1.0)]
    detections = detect(made(way, poses=poses), PLAIN)
    assert sum(bool(d.closures) for d in detections) > (50 if poses else 20)


@pytest.mark.parametrize("poses", [True, False])
def test_a_robot_that_stands_in_a_known_place_does_not_confirm_itself(poses: bool) -> None:
    way = [*np.arange(0, 60, 1.0), *np.arange(500, 540, 1.0), *[30.0] * 300]
    detections = detect(made(way, poses=poses), PLAIN)
    assert any(m.similarity > 0.99 for m in detections[-1].matches)
    assert not any(d.closures for d in detections)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_one_look_alike_is_not_enough(seed: int) -> None:
    """A single place, far on, looks exactly like place 5."""
    scenes = np.random.default_rng(seed).normal(size=(140, 64))
    scenes = sum(np.roll(scenes, shift, axis=0) for shift in range(-1, 2))
    scenes = (scenes / np.linalg.norm(scenes, axis=1, keepdims=True)).astype(np.float32)
    scenes[100] = scenes[5]
    way = [*np.arange(40.0), *np.arange(500.0, 600.0)]
    frames = [(frame, scene) for (frame, _), scene in zip(made(way), scenes, strict=True)]
    detections = detect(frames, dataclasses.replace(PLAIN, max_drift=1.0, min_agreeing=1))
    assert detections[100].matches[0].similarity > 0.99
    assert detections[100].candidates
    assert not any(d.closures for d in detections)


def test_a_clock_that_steps_back_begins_a_session() -> None:
    frames = made(np.arange(0, 60, 1.0).tolist())
    with live_map(64) as place_map:
        detector = LoopDetector(PLAIN, place_map, session_name="drive")
        sessions = []
        for frame, descriptor in [*frames, *frames]:
            detection = detector.process(frame, descriptor)
            sessions.append(detector.session.id)
            for match in detection.matches:
                same = match.session_id == detector.session.id
                assert not same or detection.stamp_ns - match.keyframe_stamp_ns >= 20e9
        assert sessions == [1] * 60 + [2] * 60
        assert [s.name for s in place_map.sessions()] == ["drive", "drive"]


def test_a_new_session_forgets_the_way_but_not_the_places() -> None:
    frames = made(np.arange(0, 40, 1.0).tolist())
    with live_map(64) as place_map:
        detector = LoopDetector(PLAIN, place_map, session_name="first")
        for frame, descriptor in frames:
            detector.process(frame, descriptor)
        session = detector.start_session("second", "again")
        found = [detector.process(frame, descriptor) for frame, descriptor in frames]
        assert [s.name for s in place_map.sessions()] == ["first", "second"]
        assert session.id == 2
        # Stamps repeat, yet keyframes of another session are never the recent past.
        assert sum(bool(d.closures) for d in found) > 30
        assert all(c.match.session_id == 1 for d in found for c in d.closures)


def test_a_foreign_map_or_descriptor_is_refused() -> None:
    with live_map(64) as ours, PlaceMap.create(":memory:", Manifest("b" * 64, 64, "other")) as theirs:
        with pytest.raises(MapError, match="cannot be compared"):
            LoopDetector(PLAIN, ours, [theirs])
        detector = LoopDetector(PLAIN, ours)
        with pytest.raises(MapError, match="do not fit"):
            detector.process(Frame(0, BLANK), np.ones(3, dtype=np.float32) / 3**0.5)
        assert len(ours) == 0


def test_keyframes_carry_what_the_frame_knew(drive: Callable) -> None:
    (frame, descriptor), *_ = drive(10, 11)
    with live_map() as place_map:
        keyframe_id = LoopDetector(CONFIG, place_map).process(frame, descriptor).keyframe_id
        assert keyframe_id is not None
        keyframe = place_map.keyframe(keyframe_id)
        assert keyframe.pose is not None
        np.testing.assert_array_equal(keyframe.pose, frame.pose)
        assert keyframe.path_length == 0.0
        assert keyframe.frame_id == "camera"
        assert keyframe.intrinsics_json is not None
        assert place_map.image(keyframe_id) is not None
