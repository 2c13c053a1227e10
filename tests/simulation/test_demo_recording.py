"""The recording in maps/demo is the one that the simulation makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from a2gc_simulation.config import DriveConfig
from a2gc_simulation.drive import Drive, plan_drive, stamp_of
from a2gc_simulation.layout import build_town
from a2gc_simulation.render import intrinsics_of

from a2gc_ros.bags.recording import open_recording


@pytest.fixture(scope="module")
def demo() -> Drive:
    return plan_drive(build_town(), DriveConfig(width=480, height=360, rate=2.5))


@pytest.fixture(scope="module")
def demo_bag(repository: Path) -> Path:
    return repository / "maps" / "demo" / "town.mcap"


def test_it_is_small_enough_to_live_in_a_repository(demo_bag: Path) -> None:
    assert demo_bag.stat().st_size <= 15e6


def test_truth_and_odometry_are_those_of_the_plan(demo_bag: Path, demo: Drive) -> None:
    with open_recording(demo_bag) as recording:
        truth = recording.trajectory("/ground_truth/pose")
        odometry = recording.trajectory("/odom")
    assert truth.stamps_ns.tolist() == [stamp_of(time) for time in demo.image_times]
    expected = [demo.motion.pose_at(time)[:3, 3] for time in demo.image_times]
    assert np.allclose(truth.positions, expected, atol=1e-6)
    assert odometry.stamps_ns.tolist() == [stamp_of(float(time)) for time in demo.odometry.times]
    assert np.allclose(odometry.positions[:, :2], demo.odometry.states[:, :2], atol=1e-6)


def test_its_images_fit_its_calibration(demo_bag: Path, demo: Drive) -> None:
    with open_recording(demo_bag) as recording:
        frame = next(iter(recording.frames()))
    assert frame.image.shape == (360, 480, 3)
    assert np.allclose(frame.intrinsics.matrix, intrinsics_of(demo.config).matrix)
