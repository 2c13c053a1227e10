"""The recent past is never matched, down to the keyframe that was stored a moment ago."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.records import Manifest


@pytest.mark.parametrize("with_odometry", [True, False])
def test_a_scene_that_hardly_changes_matches_only_what_is_old_and_far_enough(with_odometry: bool) -> None:
    config = LoopConfig(
        min_time_gap_s=10,
        min_travel_m=12,
        max_drift=1.0,
        verify=False,
        min_agreeing=1,
        keyframe_similarity=1,
        store_images=False,
    )
    image = np.zeros((4, 4, 3), np.uint8)
    detector = LoopDetector(config, PlaceMap.create(":memory:", Manifest("f", 2)))
    gaps = []
    for second in range(30):
        pose = pose_from_xy_yaw(2.0 * second, 0.0, 0.0) if with_odometry else None
        turn = 0.01 * second
        descriptor = np.array([np.cos(turn), np.sin(turn)], dtype=np.float32)
        detection = detector.process(Frame(second * 10**9, image, pose=pose), descriptor)
        gaps += [second - match.keyframe_stamp_ns // 10**9 for match in detection.matches]
    assert min(gaps) == 10
    assert len(gaps) > 50
