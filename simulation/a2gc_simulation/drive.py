"""A drive through the town: what the robot sees and measures, and where it really is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from a2gc_ros.geometry import Pose
from a2gc_ros.images.frame import Frame
from a2gc_simulation.config import DriveConfig
from a2gc_simulation.light import light_of
from a2gc_simulation.odometry import Odometry, measure_odometry
from a2gc_simulation.render import Renderer, intrinsics_of
from a2gc_simulation.route import TimedPath, plan_motion, plan_path
from a2gc_simulation.town import Town
from a2gc_simulation.traffic import Traffic, plan_traffic

CAMERA_FRAME = "camera_optical"
START_NS = 10_000_000_000
"""Simulated time at which the robot starts; not zero, which many programs take for a missing stamp."""


@dataclass(frozen=True)
class Drive:
    """Everything about a drive but its pictures; ``motion`` is the true one."""

    town: Town
    config: DriveConfig
    motion: TimedPath
    odometry: Odometry
    traffic: Traffic

    @property
    def image_times(self) -> list[float]:
        """When the camera exposes, seconds from the start."""
        count = int(self.motion.duration * self.config.rate) + 1
        return [k / self.config.rate for k in range(count)]


def stamp_of(time: float) -> int:
    """Returns the stamp of a time in seconds from the start, nanoseconds."""
    return START_NS + round(time * 1e9)


def plan_drive(town: Town, config: DriveConfig | None = None) -> Drive:
    """Plans a drive; needs no OpenGL. The same town and configuration give the same drive.

    Raises:
        ConfigError: If the route leaves the streets.
    """
    config = config or DriveConfig()
    path = plan_path(town.config, config)
    motion = plan_motion(path, speed=config.speed, corner_speed=config.corner_speed, acceleration=config.acceleration)
    odometry = measure_odometry(motion, config.noise, config.odometry_rate, config.seed)
    return Drive(town, config, motion, odometry, plan_traffic(town, config, int(np.max(path.leg)) + 1))


def frames(drive: Drive, *, supersampling: int = 2) -> Iterator[tuple[Frame, Pose]]:
    """Renders a drive, see :class:`a2gc_simulation.render.Renderer`.

    Yields:
        A frame, whose pose is the drifting ``t_odom_base``, and the true ``t_world_base``.

    Raises:
        BackendError: If there is no MuJoCo, or no OpenGL without a screen.
    """
    intrinsics = intrinsics_of(drive.config)
    with Renderer(drive.town, drive.config, drive.traffic.cars, supersampling=supersampling) as renderer:
        for time in drive.image_times:
            leg, pose = drive.motion.leg_at(time), drive.motion.pose_at(time)
            image = renderer.render(pose, drive.traffic.poses_at(time, leg, pose), light_of(leg))
            yield Frame(stamp_of(time), image, CAMERA_FRAME, intrinsics, drive.odometry.pose_at(time)), pose
