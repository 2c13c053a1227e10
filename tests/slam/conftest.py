"""A robot that drives squares, with odometry that drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip("gtsam", reason="needs GTSAM: pip install gtsam")

from a2gc_ros import geometry
from a2gc_ros.bags.trajectory import Trajectory
from a2gc_ros.geometry import Pose, pose_from_xy_yaw, pose_from_xyz_rpy

START_NS = 1_700_000_000_000_000_000
SIDE = 20
LAP = 4 * SIDE
CAMERA = pose_from_xyz_rpy((0.3, 0.1, 1.2, -np.pi / 2, 0.0, -np.pi / 2))


@dataclass(frozen=True)
class Drive:
    """Two laps around a square, one metre and half a second a step."""

    truth: list[Pose]
    odometry: list[Pose]
    camera: ClassVar[Pose] = CAMERA

    def stamp(self, step: int) -> int:
        return START_NS + step * 500_000_000

    @property
    def stamps(self) -> list[int]:
        return [self.stamp(step) for step in range(len(self.truth))]

    def camera_motion(self, keyframe: int, query: int) -> Pose:
        """Returns the true t_keyframeCamera_queryCamera."""
        return geometry.relative(self.truth[keyframe] @ CAMERA, self.truth[query] @ CAMERA)

    def trajectory(self, poses: list[Pose]) -> Trajectory:
        return Trajectory.from_poses(zip(self.stamps, poses, strict=True))


def drive(seed: int = 0, *, scale: float = 1.01, bias: float = 0.002) -> Drive:
    rng = np.random.default_rng(seed)
    truth, odometry = [np.eye(4)], [np.eye(4)]
    for step in range(2 * LAP):
        corner = step % SIDE == SIDE - 1
        # The second lap runs a little beside the first.
        truth.append(truth[-1] @ pose_from_xy_yaw(1.0, 0.0, np.pi / 2 if corner else 0.0))
        turn = geometry.yaw_of(geometry.relative(truth[-2], truth[-1])) + bias + rng.normal(0, 0.002)
        odometry.append(odometry[-1] @ pose_from_xy_yaw(scale + rng.normal(0, 0.005), 0.0, turn))
    return Drive(truth, odometry)


@pytest.fixture(scope="session")
def two_laps() -> Drive:
    return drive()


@pytest.fixture(scope="session")
def two_robots() -> tuple[Drive, Drive]:
    """The same way, each with an odometry of its own."""
    return drive(0), drive(1)
