"""The detector on a real outdoor run: its return to the start is found, and nothing else is accepted."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.images.decode import read_image
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.placemap import Manifest, PlaceMap


@pytest.mark.slow
def test_the_return_to_the_start_is_found_and_nothing_else(shared_data: Path, describe: Callable) -> None:
    folder = shared_data / "robot_run"
    # The last two frames look at the first ones from five metres, uncalibrated: too little for anything strict.
    config = LoopConfig(max_false_positive_rate=0.95, min_agreeing=1)
    closures = []
    with (
        (folder / "poses.csv").open(newline="") as file,
        PlaceMap.create(":memory:", Manifest("f" * 64, 8 * 12 * 8)) as place_map,
    ):
        detector = LoopDetector(config, place_map)
        poses = []
        for at, row in enumerate(csv.DictReader(file)):
            pose = geometry.pose_from_xy_yaw(float(row["x_m"]), float(row["y_m"]), float(row["yaw_rad"]))
            poses.append(pose)
            image = read_image(folder / "images" / row["image"])
            closures += detector.process(Frame(at * 3 * 10**9, image, pose=pose), describe(image)).closures
    assert closures
    for closure in closures:
        query, keyframe = (
            stamp // (3 * 10**9) for stamp in (closure.match.query_stamp_ns, closure.match.keyframe_stamp_ns)
        )
        # The last frames look towards the first ones; ten metres and a few degrees are still the same view.
        assert query >= 62
        assert keyframe <= 8
        assert geometry.distance(poses[query], poses[keyframe]) < 30
        assert np.degrees(geometry.rotation_angle(poses[query], poses[keyframe])) < 30
