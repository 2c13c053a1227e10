from __future__ import annotations

import numpy as np
import pytest
from a2gc_simulation.config import DriveConfig, TownConfig
from a2gc_simulation.drive import START_NS, Drive, plan_drive, stamp_of
from a2gc_simulation.layout import build_town
from a2gc_simulation.render import camera_pose, intrinsics_of

from a2gc_ros.geometry import distance, relative


def test_the_same_seeds_give_the_same_drive() -> None:
    one, two = (plan_drive(build_town(TownConfig(seed=9)), DriveConfig(seed=9)) for _ in range(2))
    assert one.image_times == two.image_times
    assert np.array_equal(one.motion.path.points, two.motion.path.points)
    assert np.array_equal(one.odometry.states, two.odometry.states)


def test_images_are_evenly_spaced_and_cover_the_drive(drive: Drive) -> None:
    stamps = [stamp_of(time) for time in drive.image_times]
    assert stamps[0] == START_NS
    assert set(np.diff(stamps)) == {round(1e9 / drive.config.rate)}
    assert 0 <= drive.motion.duration - drive.image_times[-1] < 1 / drive.config.rate


def test_every_place_of_the_second_lap_was_seen_in_the_first(drive: Drive) -> None:
    poses = [drive.motion.pose_at(time) for time in drive.image_times]
    legs = np.array([drive.motion.leg_at(time) for time in drive.image_times])
    first = [pose for pose, leg in zip(poses, legs, strict=True) if leg == 0]
    for pose in [pose for pose, leg in zip(poses, legs, strict=True) if leg == 1][::5]:
        near = min(first, key=lambda other: distance(other, pose))
        assert distance(near, pose) < 1.5
        assert abs(relative(near, pose)[1, 0]) < np.sin(np.deg2rad(25))


def test_a_point_ahead_is_drawn_in_the_middle_and_one_to_the_left_on_the_left() -> None:
    config = DriveConfig(width=640, height=480, field_of_view=90.0)
    intrinsics, t_base_camera = intrinsics_of(config), camera_pose(config)

    def pixel(x: float, y: float, z: float) -> np.ndarray:
        point = np.linalg.inv(t_base_camera) @ [x, y, z, 1.0]
        projected = intrinsics.matrix @ point[:3]
        return projected[:2] / projected[2]

    assert pixel(10, 0, config.camera_height) == pytest.approx([319.5, 239.5])
    assert pixel(10, 10, config.camera_height) == pytest.approx([-0.5, 239.5])  # the edge of the first column
    assert pixel(10, 0, 0.0)[1] > 239.5
