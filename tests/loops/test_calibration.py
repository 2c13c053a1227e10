"""Calibration of a map: impostors are others, what was found is kept, and a stored map tells what a live one did."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.loops.calibration import FEWEST, MOST, Calibration, ImpostorWatch, measure
from a2gc_ros.loops.impostor_tail import MIN_QUERIES
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.impostors import read_impostors
from a2gc_ros.placemap.records import NewKeyframe

DIM = 32
BLANK = np.zeros((8, 8, 3), np.uint8)


def walk(count: int) -> tuple[npt.NDArray[np.float32], list[Pose]]:
    """A straight way of distinct places, neighbors alike; the last third passes the first third again."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(count, DIM))
    noise[-count // 3 :] = noise[: count // 3 + (count % 3 > 0)] + 0.1 * rng.normal(
        size=(count // 3 + (count % 3 > 0), DIM)
    )
    smooth = noise + 0.5 * np.roll(noise, 1, axis=0)
    descriptors = (smooth / np.linalg.norm(smooth, axis=1, keepdims=True)).astype(np.float32)
    turn = 2 * count // 3
    poses = [pose_from_xy_yaw(2.0 * (at if at < turn else at - turn), 0, 0) for at in range(count)]
    return descriptors, poses


def stored(count: int, *, odometry: bool) -> tuple[PlaceMap, npt.NDArray[np.float32]]:
    descriptors, poses = walk(count)
    place_map = PlaceMap.create(":memory:", Manifest("f" * 64, DIM))
    session = place_map.add_session("run")
    ways = np.cumsum(np.linalg.norm(np.diff([p[:3, 3] for p in poses], axis=0, prepend=[poses[0][:3, 3]]), axis=1))
    place_map.add_many(
        session.id,
        [
            NewKeyframe(at * 10**9, d, pose if odometry else None, float(way) if odometry else None)
            for at, (d, pose, way) in enumerate(zip(descriptors, poses, ways, strict=True))
        ],
    )
    return place_map, descriptors


@pytest.mark.parametrize("odometry", [True, False])
def test_revisits_are_no_impostors(odometry: bool) -> None:
    place_map, descriptors = stored(180, odometry=odometry)
    with place_map:
        found = measure(place_map)
    assert len(found) > (150 if odometry else 100)
    genuine = [float(descriptors[at] @ descriptors[at - 120]) for at in range(121, 180)]
    assert max(i.similarity for i in found.values()) < min(genuine)


def test_a_live_session_measures_what_the_stored_map_does_and_keeps_it() -> None:
    descriptors, poses = walk(180)
    config = LoopConfig(verify=False, store_images=False, keyframe_distance_m=1.0)
    with PlaceMap.create(":memory:", Manifest("f" * 64, DIM)) as place_map:
        detector = LoopDetector(config, place_map)
        for at, (descriptor, pose) in enumerate(zip(descriptors, poses, strict=True)):
            # The way back to the beginning takes its time, or odometry would have jumped.
            seconds = at + (100 if at >= 120 else 0)
            detector.process(Frame(seconds * 10**9, BLANK, pose=pose), descriptor)
        kept = read_impostors(place_map)
        assert len(kept) > 100
        again = list(measure(place_map).values())[: len(kept)]
        # The map holds descriptors as fp16.
        for field in ("similarity", "compared"):
            ours, theirs = ([getattr(impostor, field) for impostor in some] for some in (kept, again))
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
        taken_over = Calibration(place_map)
        assert taken_over.tail.queries == len(kept)


def test_a_stored_map_is_measured_where_nothing_was_kept() -> None:
    place_map, _ = stored(180, odometry=True)
    with place_map:
        assert Calibration(place_map).tail.queries == 0
        assert Calibration.of_stored(place_map).tail.queries >= MIN_QUERIES
        assert read_impostors(place_map) == []


def test_a_comparison_costs_no_more_in_a_large_map() -> None:
    place_map, descriptors = stored(1500, odometry=False)
    with place_map:
        watch = ImpostorWatch(place_map)
        everything = np.arange(1, 1501)
        first, second = (watch.observe(descriptors[0], everything) for _ in range(2))
        assert first is not None
        assert second is not None
        assert first.compared == second.compared == MOST
        assert watch.observe(descriptors[0], everything[: FEWEST - 1]) is None


@pytest.mark.parametrize(("sessions", "length"), [pytest.param(1, 3000, marks=pytest.mark.slow), (6, 500), (24, 125)])
@pytest.mark.parametrize("odometry", [True, False])
def test_a_map_of_any_shape_is_measured(sessions: int, length: int, odometry: bool) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(sessions * length, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = []
    with PlaceMap.create(":memory:", Manifest("f" * 64, DIM)) as place_map:
        for number in range(sessions):
            keyframes = [
                NewKeyframe(
                    at * 2 * 10**9,
                    vectors[number * length + at],
                    pose_from_xy_yaw(2.0 * at, 0, 0) if odometry else None,
                    2.0 * at if odometry else None,
                )
                for at in range(length)
            ]
            place_map.add_many(place_map.add_session(str(number)).id, keyframes)
        found = measure(place_map, lambda done, total: asked.append((done, total)))
    assert len(found) >= 500
    assert list(found) == sorted(found)
    # As many from each part of the map, and never more than there are.
    shares = np.histogram(list(found), 4, (0, sessions * length))[0] / len(found)
    assert shares.min() > 0.1
    assert asked[-1][0] == asked[-1][1] <= sessions * length
