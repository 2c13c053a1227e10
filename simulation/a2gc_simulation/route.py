"""The way the robot goes: from crossings to a smooth path, and from a path to a motion."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ConfigError
from a2gc_ros.geometry import Pose, pose_from_xy_yaw
from a2gc_simulation.config import Crossing, DriveConfig, TownConfig

Array = npt.NDArray[np.float64]
STEP = 0.05
"""Distance between the points of a path, metres."""
_SOFTNESS = 0.9
"""Standard deviation of the filter that makes the curvature continuous, metres."""


@dataclass(frozen=True)
class Path:
    """A curve in the plane.

    Args:
        points: float64 (n, 2), metres.
        path_length: float64 (n,), metres from the first point along the curve.
        heading: float64 (n,), radians, unwrapped.
        leg: int64 (n,), which lap a point belongs to, from 0; the way back against the lap is the last leg.
    """

    points: Array
    path_length: Array
    heading: Array
    leg: npt.NDArray[np.int64]

    @property
    def length(self) -> float:
        """Metres."""
        return float(self.path_length[-1])

    @property
    def curvature(self) -> Array:
        """Radians per metre at every point, float64 (n,)."""
        return np.gradient(self.heading, self.path_length)

    def pose_at(self, path_length: float) -> Pose:
        """Returns ``t_map_base`` at a distance from the start, metres."""
        x = np.interp(path_length, self.path_length, self.points[:, 0])
        y = np.interp(path_length, self.path_length, self.points[:, 1])
        return pose_from_xy_yaw(float(x), float(y), float(np.interp(path_length, self.path_length, self.heading)))


def check_route(town: TownConfig, crossings: tuple[Crossing, ...], *, closed: bool) -> None:
    """Raises ConfigError unless consecutive crossings exist, are neighbors, and never turn back on the spot."""
    for crossing in crossings:
        town.require(crossing)
    ring = (*crossings, crossings[0], crossings[1]) if closed else crossings
    for a, b in itertools.pairwise(ring):
        if abs(a[0] - b[0]) + abs(a[1] - b[1]) != 1:
            raise ConfigError(f"The route goes from crossing {a} to {b}, which are not neighbors.")
    for a, b, c in zip(ring[:-2], ring[1:-1], ring[2:], strict=True):
        if a == c:
            raise ConfigError(f"The route turns back at crossing {b}; a robot with a lane to keep goes round a block.")


def lane_path(town: TownConfig, vertices: npt.ArrayLike, offset: float) -> Array:
    """Returns the path along a chain of streets, on the right of its middle line, with rounded corners.

    Args:
        town: Gives the width of the streets.
        vertices: (k, 2), corners of the middle line, metres; straight on is allowed, turning back is not.
        offset: Metres from the middle line to the right.

    Returns:
        float64 (n, 2), about ``STEP`` apart.
    """
    middle = np.asarray(vertices, np.float64)
    directions = np.diff(middle, axis=0)
    lengths = np.linalg.norm(directions, axis=1)
    directions /= lengths[:, None]
    right = np.column_stack([directions[:, 1], -directions[:, 0]])
    pieces = []
    start = middle[0] + offset * right[0]
    for k in range(1, len(middle) - 1):
        before, after = directions[k - 1], directions[k]
        turn = float(before[0] * after[1] - before[1] * after[0])
        if abs(turn) < 1e-6:
            continue
        corner = middle[k] + offset * (right[k - 1] + right[k])
        # Parked cars and the kerb bound a right turn; a left turn has the whole crossing.
        radius = town.carriageway / 2 + (offset if turn > 0 else -offset) * 0.8
        into, out_of = corner - radius * before, corner + radius * after
        pieces += [_segment(start, into), _arc(into, before, turn, radius)]
        start = out_of
    end = middle[-1] + offset * right[-1]
    pieces += [_segment(start, end), end[None]]
    return _resampled(np.concatenate(pieces))


def _segment(a: Array, b: Array) -> Array:
    count = max(int(np.linalg.norm(b - a) / STEP), 1)
    return a + (b - a) * np.linspace(0, 1, count, endpoint=False)[:, None]


def _arc(start: Array, direction: Array, turn: float, radius: float) -> Array:
    angles = np.linspace(0, np.pi / 2, max(int(radius * np.pi / 2 / STEP), 2), endpoint=False)[:, None]
    inward = np.sign(turn) * np.array([-direction[1], direction[0]])
    return start + radius * (np.sin(angles) * direction + (1 - np.cos(angles)) * inward)


def _resampled(points: Array) -> Array:
    """Returns points at equal distances along a chain."""
    path_length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    grid = np.linspace(0, path_length[-1], max(round(path_length[-1] / STEP), 2) + 1)
    return np.column_stack([np.interp(grid, path_length, points[:, k]) for k in (0, 1)])


def smoothed(points: Array, sigma: float) -> Array:
    """Filters a chain of points ``STEP`` apart with a Gaussian of ``sigma`` metres; the ends stay where they are."""
    half = int(3 * sigma / STEP)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * STEP / sigma) ** 2)
    kernel /= kernel.sum()
    # Point reflection continues a straight end as the same straight line.
    head = 2 * points[0] - points[half:0:-1]
    tail = 2 * points[-1] - points[-2 : -half - 2 : -1]
    padded = np.concatenate([head, points, tail])
    return np.column_stack([np.convolve(padded[:, k], kernel, mode="valid") for k in (0, 1)])


def plan_path(town: TownConfig, drive: DriveConfig) -> Path:
    """Plans the whole drive: the laps, each a little beside the first, then the way against the lap.

    The drive starts in the middle of the street from the lap's first crossing to its second. The first lap keeps to the
    middle of the lane; later ones wander off it by up to ``drive.wander`` metres, smoothly, which also turns the
    camera by a few degrees.

    Raises:
        ConfigError: If a route leaves the grid, jumps, or turns back on the spot.
    """
    start, *lap = _round(town, drive.lap)
    chain = [start, *drive.laps * lap]
    if drive.against:
        if drive.against[0] != drive.lap[1]:
            raise ConfigError(
                f"The way against the lap starts at crossing {drive.against[0]}; "
                f"it must start at the lap's second crossing, {drive.lap[1]}."
            )
        check_route(town, (drive.lap[0], *drive.against), closed=False)
        chain += [np.array(town.position(c)) for c in drive.against]
    base = lane_path(town, chain, town.lane)
    leg = _legs(base, start, drive)
    points = smoothed(base, _SOFTNESS)
    points = smoothed(_wandering(points, leg, drive), _SOFTNESS)
    return _path(points, leg)


def closed_path(town: TownConfig, lap: tuple[Crossing, ...]) -> Path:
    """Returns one round in the lane on the right, from the middle of the first street back to it."""
    points = smoothed(lane_path(town, _round(town, lap), town.lane), _SOFTNESS)
    return _path(points, np.zeros(len(points), np.int64))


def _round(town: TownConfig, lap: tuple[Crossing, ...]) -> list[Array]:
    """The corners of a round, from the middle of the first street back to it."""
    check_route(town, lap, closed=True)
    corners = [np.array(town.position(crossing)) for crossing in lap]
    start = (corners[0] + corners[1]) / 2
    return [start, *corners[1:], corners[0], start]


def _legs(points: Array, start: Array, drive: DriveConfig) -> npt.NDArray[np.int64]:
    """Counts how often the drive has come back to where it started, for every point."""
    near = np.linalg.norm(points - start, axis=1)
    passes = [0]
    for k in range(1, len(points) - 1):
        if near[k] <= near[k - 1] and near[k] < near[k + 1] and near[k] < 3.0:
            passes.append(k)
    leg = np.zeros(len(points), np.int64)
    for lap in range(1, drive.laps + bool(drive.against)):
        leg[passes[lap] :] = lap
    return leg


def _wandering(points: Array, leg: npt.NDArray[np.int64], drive: DriveConfig) -> Array:
    """Moves the points of later laps sideways by a slow random wave."""
    rng = np.random.default_rng([drive.seed, 21])
    path_length = np.arange(len(points)) * STEP
    offset = np.zeros(len(points))
    for k in range(1, int(leg.max()) + 1):
        side = 1.0 if k % 2 else -1.0
        wave = side * 0.55 + sum(
            0.22 * np.sin(2 * np.pi * path_length / period + rng.uniform(0, 2 * np.pi)) for period in (31.0, 53.0)
        )
        offset[leg == k] = drive.wander * wave[leg == k]
    half = round(4.0 / STEP)
    ramp = np.convolve(np.pad(offset, half, mode="edge"), np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    return points + ramp[:, None] * np.column_stack([-tangent[:, 1], tangent[:, 0]])


def _path(points: Array, leg: npt.NDArray[np.int64]) -> Path:
    path_length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    tangent = np.gradient(points, axis=0)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    return Path(points, path_length, heading, leg)


@dataclass(frozen=True)
class TimedPath:
    """A path with a time for every point.

    Args:
        path: Where the robot goes.
        times: float64 (n,), seconds from the start, strictly increasing.
        speed: float64 (n,), m/s.
    """

    path: Path
    times: Array
    speed: Array

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.times[-1])

    def path_length_at(self, time: float) -> float:
        """Returns the distance driven by a time, metres."""
        return float(np.interp(time, self.times, self.path.path_length))

    def pose_at(self, time: float) -> Pose:
        """Returns ``t_map_base`` at a time, seconds from the start."""
        return self.path.pose_at(self.path_length_at(time))

    def leg_at(self, time: float) -> int:
        """Returns the leg (see :class:`Path`) that is driven at a time."""
        index = int(np.searchsorted(self.path.path_length, self.path_length_at(time), side="right")) - 1
        return int(self.path.leg[index])


def plan_motion(path: Path, *, speed: float, corner_speed: float, acceleration: float) -> TimedPath:
    """Gives a path its speeds: slow in corners, bounded acceleration, standing at neither end.

    The limit on a curve of curvature k is the one that takes a corner of 5 m radius at ``corner_speed`` for the same
    sideways acceleration; a forward and a backward pass over v² = v0² + 2 a s then bound the acceleration.
    """
    sideways = corner_speed**2 / 5.0
    limit = np.minimum(speed, np.sqrt(sideways / np.maximum(np.abs(path.curvature), 1e-6)))
    limit[0] = limit[-1] = min(corner_speed, speed) / 2
    gaps = np.diff(path.path_length)
    speeds = limit.copy()
    for k in range(1, len(speeds)):
        speeds[k] = min(speeds[k], np.sqrt(speeds[k - 1] ** 2 + 2 * acceleration * gaps[k - 1]))
    for k in range(len(speeds) - 2, -1, -1):
        speeds[k] = min(speeds[k], np.sqrt(speeds[k + 1] ** 2 + 2 * acceleration * gaps[k]))
    times = np.concatenate([[0], np.cumsum(gaps / ((speeds[:-1] + speeds[1:]) / 2))])
    return TimedPath(path, times, speeds)
