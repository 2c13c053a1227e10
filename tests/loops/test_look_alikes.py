"""Places that look alike and are not the same, without odometry to tell them apart: none is taken for the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.placemap import Manifest, PlaceMap

CONFIG = LoopConfig(min_time_gap_s=30.0, store_images=False, max_false_positive_rate=0.01)
METERS = range(10, 28)
BLOCK_M = 36.0
ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def street(town: Any, side: int, start_s: float) -> list[Frame]:
    """Drives along one side of the block, a metre and a second each."""
    poses = [town.pose(side * BLOCK_M + metre) for metre in METERS]
    return [Frame(round((start_s + at) * 1e9), town.view(pose @ ROBOT_CAMERA)) for at, pose in enumerate(poses)]


def closures(frames: Sequence[Frame], describe: Callable) -> list[tuple[int, int]]:
    """Returns the seconds of query and keyframe of every closure."""
    found = []
    with PlaceMap.create(":memory:", Manifest("f" * 64, 768)) as live:
        detector = LoopDetector(CONFIG, live)
        for frame in frames:
            for closure in detector.process(frame, describe(frame.image)).closures:
                match = closure.match
                found.append((match.query_stamp_ns // 10**9, match.keyframe_stamp_ns // 10**9))
    return found


def one_facade_on_three_streets(town: Any) -> list[Frame]:
    """Every street has the same house in its middle, among others of its own."""
    per_side = len(town.panels) // 4
    for side in (1, 2):
        for at in (4, 5):
            town.panels[side * per_side + at] = dataclasses.replace(
                town.panels[side * per_side + at], texture=town.panels[at].texture
            )
    return [frame for side in range(3) for frame in street(town, side, 100.0 * side)]


def a_mirrored_corridor(town: Any) -> list[Frame]:
    """The other wing of the building is the mirror image of the first."""
    there = street(town, 0, 0.0)
    mirrored = [Frame(frame.stamp_ns + 100 * 10**9, np.ascontiguousarray(frame.image[:, ::-1])) for frame in there]
    return [*there, *mirrored]


def the_same_floor_twice(town: Any) -> list[Frame]:
    """Rooms lie alike and have the same board on every other wall; all else is another floor's own."""
    first, second = town, type(town)(seed=5)
    board = cv2.resize(town.panels[0].texture, (44, 44), interpolation=cv2.INTER_AREA)
    for at in range(0, len(first.panels), 2):
        for floor in (first, second):
            texture = floor.panels[at].texture.copy()
            texture[40:84, 40:84] = board
            floor.panels[at] = dataclasses.replace(first.panels[at], texture=texture)
    return [*street(first, 0, 0.0), *street(second, 0, 100.0)]


@pytest.mark.parametrize(
    "building",
    [
        pytest.param(one_facade_on_three_streets, marks=pytest.mark.slow),
        pytest.param(a_mirrored_corridor, marks=pytest.mark.slow),
        the_same_floor_twice,
    ],
)
def test_look_alikes_are_not_taken_for_one_another(
    building: Callable[[Any], list[Frame]], town: Any, describe: Callable
) -> None:
    assert closures(building(type(town)(seed=4)), describe) == []


@pytest.mark.slow
def test_the_same_street_is_found_again(town: Any, describe: Callable) -> None:
    found = closures([*street(town, 0, 0.0), *street(town, 0, 100.0)], describe)
    assert len(found) > len(METERS) // 2
    assert all(abs(query - 100 - keyframe) <= 2 for query, keyframe in found)
