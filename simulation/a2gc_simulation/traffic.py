"""Cars: those that stand at the kerb, others in every lap, and those that come the other way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_simulation.cars import CAR_MODELS, PAINTS
from a2gc_simulation.config import DriveConfig
from a2gc_simulation.route import Path, closed_path
from a2gc_simulation.town import Town

DRIVING = 5
"""Cars under way."""

SPEED = 5.0
"""Of the cars under way, m/s."""

PARKED = 0.55
"""Part of the places to park that are taken."""


@dataclass(frozen=True)
class Car:
    """One car: indices into ``cars.CAR_MODELS`` and ``cars.PAINTS``."""

    model: int
    paint: int


@dataclass(frozen=True)
class Traffic:
    """All cars of a drive and where each is at any time.

    Args:
        cars: Parked ones first, then those that drive.
        parked: For every leg, where each parked car stands.
        rounds: The ways of the driving cars: against the lap, and along it.
        starts: Where on its way each driving car is at time zero, metres.
        laps: Number of laps; a leg after them meets traffic that drives along the lap.
    """

    cars: tuple[Car, ...]
    parked: tuple[tuple[Pose, ...], ...]
    rounds: tuple[Path, Path]
    starts: tuple[float, ...]
    laps: int

    def poses_at(self, time: float, leg: int, robot: Pose) -> list[Pose | None]:
        """Returns ``t_map_car`` for every car at a time in seconds; None for a car that is out of sight.

        A driving car that would run into the robot is left out.
        """
        way = self.rounds[0] if leg < self.laps else self.rounds[1]
        poses: list[Pose | None] = list(self.parked[leg])
        for start in self.starts:
            pose = way.pose_at((start + SPEED * time) % way.length)
            apart = pose[:2, 3] - robot[:2, 3]
            oncoming = float(pose[:2, 0] @ robot[:2, 0]) < -0.5
            sideways = abs(float(apart @ robot[:2, 1]))
            clear = np.linalg.norm(apart) > 9.0 or (oncoming and sideways > 2.0)
            poses.append(pose if clear else None)
        return poses


def plan_traffic(town: Town, drive: DriveConfig, legs: int) -> Traffic:
    """Draws the cars of a drive of some legs."""
    rng = np.random.default_rng([drive.seed, 51])
    places = len(town.slots)
    standing = round(PARKED * places)
    cars = [
        Car(int(rng.choice(len(CAR_MODELS), p=[0.42, 0.42, 0.16])), int(rng.integers(len(PAINTS))))
        for _ in range(standing + DRIVING)
    ]
    slot_of = rng.permutation(places)[:standing]
    plans = []
    for _ in range(legs):
        plans.append(tuple(_parked_pose(town, int(slot), rng) for slot in slot_of))
        # Until the next lap two thirds have left, and others have come.
        gone = rng.random(standing) < 0.66
        free = np.setdiff1d(np.arange(places), slot_of[~gone])
        slot_of = slot_of.copy()
        slot_of[gone] = rng.permutation(free)[: int(gone.sum())]
    ways = (closed_path(town.config, drive.lap[::-1]), closed_path(town.config, drive.lap))
    gaps = (np.arange(DRIVING) + rng.uniform(-0.25, 0.25, DRIVING)) / DRIVING
    starts = tuple(float(g) for g in gaps * ways[0].length)
    return Traffic(tuple(cars), tuple(plans), ways, starts, drive.laps)


def _parked_pose(town: Town, slot: int, rng: np.random.Generator) -> Pose:
    place = town.slots[slot]
    along, across, turn = rng.normal(0, (0.25, 0.08, 0.02))
    c, s = np.cos(place.yaw), np.sin(place.yaw)
    return pose_from_xy_yaw(place.x + c * along - s * across, place.y + s * along + c * across, place.yaw + turn)
