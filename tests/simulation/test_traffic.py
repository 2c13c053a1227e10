from __future__ import annotations

import numpy as np
from a2gc_simulation.cars import CAR_MODELS, car_mesh, paint_car
from a2gc_simulation.drive import Drive
from a2gc_simulation.town import Town
from a2gc_simulation.traffic import plan_traffic

from a2gc_ros.geometry import distance


def test_no_two_cars_share_a_place(drive: Drive) -> None:
    for parked in drive.traffic.parked:
        at = np.array([pose[:2, 3] for pose in parked])
        apart = np.linalg.norm(at[:, None] - at[None], axis=2) + 100 * np.eye(len(at))
        assert apart.min() > 4.0


def test_most_parked_cars_have_changed_by_the_next_lap(drive: Drive) -> None:
    first, second = drive.traffic.parked[:2]
    stayed = sum(distance(a, b) < 2.0 for a, b in zip(first, second, strict=True))
    assert 0.1 * len(first) < stayed < 0.6 * len(first)


def test_cars_in_motion_come_the_other_way_and_never_hit_the_robot(drive: Drive) -> None:
    traffic, motion = drive.traffic, drive.motion
    met = 0
    for time in np.arange(0.0, motion.duration, 0.5):
        robot, leg = motion.pose_at(time), motion.leg_at(time)
        for pose in traffic.poses_at(time, leg, robot)[len(traffic.parked[0]) :]:
            if pose is None:
                continue
            apart = pose[:2, 3] - robot[:2, 3]
            ahead, across = apart @ robot[:2, 0], apart @ robot[:2, 1]
            assert not (abs(ahead) < 3.0 and abs(across) < 1.7)
            met += bool(0 < ahead < 25 and 1.7 < across < 5 and pose[:2, 0] @ robot[:2, 0] < -0.9)
    assert met > 20


def test_the_same_seed_gives_the_same_traffic(town: Town, drive: Drive) -> None:
    again = plan_traffic(town, drive.config, 3)
    assert again.cars == drive.traffic.cars
    assert all(
        np.array_equal(a, b)
        for one, two in zip(again.parked, drive.traffic.parked, strict=True)
        for a, b in zip(one, two, strict=True)
    )


def test_car_bodies_have_the_size_of_cars() -> None:
    for model in CAR_MODELS:
        extent = np.ptp(car_mesh(model).vertices, axis=0)
        assert 3.6 < extent[0] < 5.2
        assert extent[1] == model.width
        assert 1.0 < extent[2] < 2.0
        assert paint_car(model).dtype == np.uint8
