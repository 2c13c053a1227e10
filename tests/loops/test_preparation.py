"""Descriptors and features found ahead change nothing, and are those of the keyframes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopConfig, LoopDetector, Preparation
from a2gc_ros.loops.verification import View
from a2gc_ros.placemap import Manifest, PlaceMap

ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
CONFIG = LoopConfig(min_time_gap_s=5.0, min_agreeing=1, max_false_positive_rate=0.9)


@pytest.fixture
def drive(town) -> list[Frame]:
    """Twice down the same ten metres, two frames a metre; odometry jumps in between."""
    frames = []
    for lap in range(2):
        for step in range(20):
            pose = town.pose(6 + step / 2)
            shifted = pose.copy()
            shifted[:2, 3] += 1e5 * lap
            stamp_ns = (100 * lap + step) * 10**9
            frames.append(Frame(stamp_ns, town.view(pose @ ROBOT_CAMERA), pose=shifted))
    return frames


def run(
    drive: list[Frame], describe: Callable, monkeypatch: pytest.MonkeyPatch, *, steps: int
) -> tuple[list[Detection], list[int], int]:
    """Returns the detections, the stamps of the frames that were looked at ahead, and how often features were found."""
    found: list[int] = []
    with PlaceMap.create(":memory:", Manifest("f" * 64, len(describe(drive[0].image)))) as place_map:
        detector = LoopDetector(CONFIG, place_map)
        look_at = detector.look_at
        monkeypatch.setattr(detector, "look_at", lambda frame: found.append(frame.stamp_ns) or look_at(frame))
        detections, ahead = [], []
        for prepared in Preparation(detector, describe).ahead(drive, steps=steps):
            if prepared.view is not None:
                ahead.append(prepared.frame.stamp_ns)
            detections.append(detector.process(prepared.frame, prepared.descriptor, prepared.view))
    return detections, ahead, len(found)


@pytest.mark.slow
def test_the_same_comes_of_it_and_features_are_found_of_keyframes_once(drive, describe, monkeypatch) -> None:
    one_by_one, _, _ = run(drive, describe, monkeypatch, steps=0)
    overlapping, ahead, found = run(drive, describe, monkeypatch, steps=1)
    told = [
        [(d.keyframe_id, d.matches, d.candidates, [(c.match, c.probability) for c in d.closures]) for d in detections]
        for detections in (one_by_one, overlapping)
    ]
    assert told[0] == told[1]
    assert any(d.matches for d in overlapping)
    keyframes = [d.stamp_ns for d in overlapping if d.keyframe_id is not None]
    assert ahead == keyframes
    assert found == len(keyframes) < len(drive)


def test_wrong_foresight_costs_time_only(drive, describe) -> None:
    with PlaceMap.create(":memory:", Manifest("f" * 64, len(describe(drive[0].image)))) as place_map:
        detector = LoopDetector(CONFIG, place_map)
        preparation = Preparation(detector, describe)
        assert preparation(drive[0]).view is not None
        prepared = preparation(drive[1])
        assert prepared.view is None
        # To a detector whose session has just begun it is the first one, and so a keyframe.
        assert detector.process(prepared.frame, prepared.descriptor, prepared.view).keyframe_id is not None


def test_nothing_is_looked_at_where_nothing_is_verified(drive, describe) -> None:
    with PlaceMap.create(":memory:", Manifest("f" * 64, len(describe(drive[0].image)))) as place_map:
        detector = LoopDetector(LoopConfig(verify=False), place_map)
        assert Preparation(detector, describe)(drive[0]).view is None


def test_features_of_one_frame_are_found_while_the_next_is_described(drive, describe) -> None:
    both = threading.Barrier(2, timeout=10)

    def meeting(image: np.ndarray) -> np.ndarray:
        if image is drive[1].image:
            both.wait()
        return describe(image)

    with PlaceMap.create(":memory:", Manifest("f" * 64, len(describe(drive[0].image)))) as place_map:
        detector = LoopDetector(CONFIG, place_map)
        look_at = detector.look_at

        def look(frame: Frame) -> View | None:
            if frame is drive[0]:
                both.wait()
            return look_at(frame)

        detector.look_at = look
        prepared = Preparation(detector, meeting).ahead(drive[:3])
        assert [one.frame.stamp_ns for one in prepared] == [frame.stamp_ns for frame in drive[:3]]
