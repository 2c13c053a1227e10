"""What goes wrong on robots: cameras and odometry that misbehave cost loops, never truth, and pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros import geometry
from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig, LoopDetector
from a2gc_ros.loops.pairwise_consistency import MOST
from a2gc_ros.loops.place_filter import KEPT
from a2gc_ros.placemap import Manifest, PlaceMap

Image = npt.NDArray[np.uint8]
Frames = Sequence[tuple[Frame, npt.NDArray[np.float32]]]

DIM = 8 * 12 * 8
BLANK = np.zeros((8, 8, 3), dtype=np.uint8)
PLAIN = LoopConfig(verify=False, store_images=False, min_time_gap_s=20.0)


def live_map(dim: int) -> PlaceMap:
    return PlaceMap.create(":memory:", Manifest("f" * 64, dim, "test"))


@pytest.fixture(scope="module")
def street(drive: Callable) -> Iterator[tuple[PlaceMap, dict[int, Pose]]]:
    """A map of a street, and the true pose at each stamp."""
    with live_map(DIM) as place_map:
        detector = LoopDetector(LoopConfig(), place_map)
        frames = drive(12, 54)
        for frame, descriptor in frames:
            detector.process(frame, descriptor)
        yield place_map, {frame.stamp_ns: frame.pose for frame, _ in frames}


def upside_down(image: Image) -> Image:
    return np.ascontiguousarray(image[::-1, ::-1])


def blurred(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)


def overexposed(image: Image) -> Image:
    return np.clip(image.astype(float) * 1.6, 0, 255).astype(np.uint8)


def dark(image: Image) -> Image:
    return (image * 0.15).astype(np.uint8)


def half_covered(image: Image) -> Image:
    out = image.copy()
    out[:, : image.shape[1] // 2] = 15
    return out


def covered(image: Image) -> Image:
    # What a sensor sees behind a lens cap.
    return np.random.default_rng(0).integers(0, 12, image.shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (None, True),
        (overexposed, True),
        (blurred, None),
        (dark, None),
        (half_covered, None),
        (upside_down, True),
        (covered, False),
    ],
)
def test_spoilt_images_give_no_false_closure(
    street: tuple[PlaceMap, dict[int, Pose]],
    drive: Callable,
    describe: Callable,
    spoil: Callable[[Image], Image] | None,
    found: bool | None,
) -> None:
    place_map, poses = street
    seen = [
        dataclasses.replace(frame, image=frame.image if spoil is None else spoil(frame.image))
        for frame, _ in drive(30, 42, lateral=0.4, start_s=500)
    ]
    with live_map(DIM) as live:
        detector = LoopDetector(LoopConfig(), live, [place_map])
        closures = [c for frame in seen for c in detector.process(frame, describe(frame.image)).closures]
    true = {frame.stamp_ns: frame.pose for frame in seen}
    for closure in closures:
        assert geometry.distance(true[closure.match.query_stamp_ns], poses[closure.match.keyframe_stamp_ns]) < 5
    if found is not None:
        assert bool(closures) is found


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0], ids=["zeros", "half the focal length", "three times"])
def test_a_wrong_calibration_makes_no_false_closure(
    street: tuple[PlaceMap, dict[int, Pose]], drive: Callable, factor: float
) -> None:
    place_map, poses = street
    closures, true = [], {}
    with live_map(DIM) as live:
        detector = LoopDetector(LoopConfig(), live, [place_map])
        for frame, descriptor in drive(30, 40, lateral=0.4, start_s=500):
            wrong = dataclasses.replace(frame.intrinsics, matrix=frame.intrinsics.matrix * [[factor], [factor], [1]])
            true[frame.stamp_ns] = frame.pose
            closures += detector.process(dataclasses.replace(frame, intrinsics=wrong), descriptor).closures
    for closure in closures:
        assert geometry.distance(true[closure.match.query_stamp_ns], poses[closure.match.keyframe_stamp_ns]) < 5


def round_trips(rounds: int, *, metres: int = 60, dim: int = 64) -> list[tuple[float, npt.NDArray[np.float32], Pose]]:
    """Rounds on a circle, a keyframe a metre: angle, descriptor, pose."""
    rng = np.random.default_rng(4)
    base = rng.normal(size=(metres, dim))
    smooth = sum(np.roll(base, shift, axis=0) for shift in range(-1, 2))
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True)
    radius = metres / (2 * np.pi)
    out = []
    for step in range(rounds * metres):
        noisy = smooth[step % metres] + 0.05 * rng.normal(size=dim)
        angle = 2 * np.pi * step / metres
        pose = pose_from_xy_yaw(10 * radius * np.cos(angle), 10 * radius * np.sin(angle), angle)
        out.append((float(step % metres), (noisy / np.linalg.norm(noisy)).astype(np.float32), pose))
    return out


def run(
    places: Sequence[tuple[float, npt.NDArray[np.float32], Pose]],
    odometry: Callable[[int, Pose], Pose | None],
    stamp: Callable[[int], int] = lambda step: step * 10**9,
    config: LoopConfig = PLAIN,
) -> tuple[list[Detection], list[tuple[int, float]], LoopDetector]:
    """Runs the detector; returns also (step of the query, places between query and keyframe) of each closure."""
    place_map = live_map(len(places[0][1]))
    detector = LoopDetector(config, place_map)
    detections, where, steps = [], {}, {}
    for step, (place, descriptor, pose) in enumerate(places):
        detection = detector.process(Frame(stamp(step), BLANK, pose=odometry(step, pose)), descriptor)
        detections.append(detection)
        if detection.keyframe_id is not None:
            where[detection.keyframe_id], steps[detection.keyframe_id] = place, step
    apart = []
    for closure in (c for d in detections for c in d.closures):
        assert closure.query_keyframe_id is not None
        query, keyframe = closure.query_keyframe_id, closure.match.keyframe_id
        gap = abs(where[query] - where[keyframe])
        apart.append((steps[query], min(gap, 60 - gap)))
    return detections, apart, detector


def moved(pose: Pose, x: float, y: float) -> Pose:
    out = pose.copy()
    out[:2, 3] += (x, y)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("odometry", "recovers_by"),
    [
        (lambda step, pose: pose, 75),
        (lambda step, pose: pose if step < 90 else moved(pose, 300, 0), 110),
        (lambda step, pose: None if 70 <= step < 90 else pose, 110),
        (lambda step, pose: np.full((4, 4), np.nan) if 70 <= step < 90 else pose, 110),
    ],
    ids=["good", "jumps", "is silent for a while", "is not a number for a while"],
)
def test_odometry_that_fails(odometry: Callable[[int, Pose], Pose | None], recovers_by: int) -> None:
    _, apart, _ = run(round_trips(3), odometry)
    assert max(gap for _, gap in apart) <= 2
    assert any(100 <= step <= recovers_by or step <= recovers_by < 100 for step, _ in apart)


def test_odometry_that_freezes_stops_the_map_and_goes_on_after() -> None:
    places = round_trips(3)
    frozen = places[79][2]
    detections, apart, _ = run(places, lambda step, pose: frozen if 80 <= step < 100 else pose)
    assert all(d.keyframe_id is None for d in detections[80:100])
    assert max(gap for _, gap in apart) <= 2
    assert any(100 <= step < 125 for step, _ in apart)


def test_stamps_that_step_back_begin_a_session_and_find_the_old_places() -> None:
    _, apart, detector = run(round_trips(3), lambda step, pose: pose, lambda step: (step % 90) * 10**9)
    assert detector.session.id == 2
    assert max(gap for _, gap in apart) <= 2
    assert any(step >= 90 for step, _ in apart)


@pytest.mark.parametrize(("share", "likeness"), [(0.2, 0.7), (0.1, 0.85)])
def test_look_alikes_are_told_apart_without_odometry(share: float, likeness: float) -> None:
    """Some places look like one that was seen before, and where the drive begins is come to again at the end."""
    rng = np.random.default_rng(3)
    count, dim, again = 240, 64, 60
    raw = rng.normal(size=(count, dim))
    scenes = sum(np.roll(raw, shift, axis=0) for shift in range(-1, 2))
    scenes /= np.linalg.norm(scenes, axis=1, keepdims=True)
    shown = scenes.copy()
    for at in range(again, count):
        if rng.random() < share:
            shown[at] = likeness * scenes[rng.integers(0, at - 40)] + np.sqrt(1 - likeness**2) * scenes[at]
    order = [*range(count), *range(again)]
    places = []
    for place in order:
        noisy = shown[place] + 0.03 * rng.normal(size=dim)
        places.append((float(place), (noisy / np.linalg.norm(noisy)).astype(np.float32), np.eye(4)))
    detections, _, _ = run(places, lambda step, pose: None)
    pairs = [(c.query_keyframe_id or 0, c.match.keyframe_id) for d in detections for c in d.closures]
    assert len(pairs) > 20
    # Every frame becomes a keyframe; their numbers begin at 1.
    assert all(abs(order[query - 1] - order[keyframe - 1]) <= 2 for query, keyframe in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("odometry", [True, False])
def test_an_hour_before_one_wall_adds_nothing(odometry: bool) -> None:
    """Ten images a second would only take longer: one a second, with noise."""
    rng = np.random.default_rng(0)
    wall = rng.normal(size=64)
    places = []
    for _ in range(3600):
        noisy = wall + 0.05 * rng.normal(size=64)
        places.append((0.0, (noisy / np.linalg.norm(noisy)).astype(np.float32), np.eye(4)))
    detections, apart, detector = run(places, lambda step, pose: pose if odometry else None)
    assert not apart
    assert len(detector.maps[0]) == 1
    assert sum(d.keyframe_id is not None for d in detections) == 1


@pytest.mark.slow
def test_what_is_remembered_beside_the_map_stays_small() -> None:
    _, apart, detector = run(round_trips(6), lambda step, pose: pose)
    assert max(gap for _, gap in apart) <= 2
    assert len(detector._judge._filter._places) <= KEPT
    assert len(detector._judge._agreement._recent) <= MOST
