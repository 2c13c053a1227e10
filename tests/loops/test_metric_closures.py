"""Closures in metres, from the whole chain, without any image kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.placemap import Manifest, PlaceMap

ROBOT_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


@pytest.mark.slow
def test_a_second_lap_is_located_in_metres(drive: Callable) -> None:
    config = LoopConfig(min_agreeing=1, max_false_positive_rate=0.1, store_images=False)
    frames = [*drive(12, 34), *drive(14, 30, step=1.1, lateral=0.5, start_s=100)]
    poses, closures = {}, []
    with PlaceMap.create(":memory:", Manifest("f" * 64, len(frames[0][1]), "test")) as place_map:
        detector = LoopDetector(config, place_map)
        for frame, descriptor in frames:
            frame = dataclasses.replace(frame, t_base_camera=ROBOT_CAMERA)
            poses[frame.stamp_ns] = frame.pose
            detection = detector.process(frame, descriptor)
            closures += detection.closures
            assert detection.keyframe_id is not None
            assert place_map.image(detection.keyframe_id) is None
            assert place_map.features(detection.keyframe_id) is not None
    metric = [closure for closure in closures if closure.verification.scale_known]
    assert len(metric) >= 5
    assert len(metric) > 0.8 * len(closures)
    for closure in metric:
        truth = geometry.relative(
            poses[closure.match.keyframe_stamp_ns] @ ROBOT_CAMERA, poses[closure.match.query_stamp_ns] @ ROBOT_CAMERA
        )
        assert geometry.distance(closure.verification.relative_pose, truth) < 0.25
        off = closure.verification.relative_pose[:3, 3] - truth[:3, 3]
        assert off @ np.linalg.solve(closure.verification.covariance[:3, :3], off) < 25
