"""What may be chosen about the town and the drive through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from a2gc_ros.errors import ConfigError

Crossing: TypeAlias = tuple[int, int]
"""Column and row of a crossing in the grid of streets."""

LAP: tuple[Crossing, ...] = (
    (0, 0), (1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (1, 2), (0, 2), (0, 1),
)  # fmt: skip
AGAINST: tuple[Crossing, ...] = ((1, 0), (1, 1), (1, 2), (2, 2), (3, 2))


@dataclass(frozen=True)
class TownConfig:
    """A town of straight streets.

    Args:
        seed: Decides every house, tree and sign.
        columns: Crossings along x.
        rows: Crossings along y.
        spacing: Metres from crossing to crossing.
        carriageway: Metres from kerb to kerb: two lanes, and two rows of parked cars.
        pavement: Width of the pavement on either side, metres.
        twins: Two crossings that are built alike: the second is the first turned by half a turn, so that a robot
            which comes to one eastwards and to the other westwards sees corner houses of one make. Curtains, the
            shops' names and goods, and stains differ, as does what lies behind. None builds no such pair.
        texels_per_metre: Sharpness of the painted house fronts.
    """

    seed: int = 7
    columns: int = 4
    rows: int = 3
    spacing: float = 32.0
    carriageway: float = 10.0
    pavement: float = 2.2
    twins: tuple[Crossing, Crossing] | None = ((1, 0), (2, 2))
    texels_per_metre: int = 64

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2:
            raise ConfigError(f"A town of {self.columns} x {self.rows} crossings has no block; take 2 x 2 or more.")
        if self.spacing < 2 * self.half_street + 2 * self.corner + 2:
            raise ConfigError(
                f"Crossings {self.spacing} m apart leave no room for houses; "
                f"set spacing to {2 * self.half_street + 2 * self.corner + 2:.1f} m or more."
            )
        for crossing in self.twins or ():
            self.require(crossing)

    @property
    def half_street(self) -> float:
        """Metres from the middle of a street to the house fronts."""
        return self.carriageway / 2 + self.pavement

    @property
    def corner(self) -> float:
        """Side of the square ground plan of a corner house, metres."""
        return 6.3

    @property
    def lane(self) -> float:
        """Metres from the middle of a street to the middle of the lane on the right."""
        return 1.5

    def random(self, *key: int) -> np.random.Generator:
        """Returns a source of randomness for one thing, so that adding another leaves it as it is."""
        return np.random.default_rng([self.seed, *key])

    def require(self, crossing: Crossing) -> None:
        """Raises ConfigError unless the town has such a crossing."""
        column, row = crossing
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            raise ConfigError(
                f"There is no crossing {crossing} in a town of {self.columns} x {self.rows}; "
                f"columns run from 0 to {self.columns - 1}, rows from 0 to {self.rows - 1}."
            )

    def position(self, crossing: Crossing) -> tuple[float, float]:
        """Returns where a crossing is, x and y in metres."""
        return crossing[0] * self.spacing, crossing[1] * self.spacing


@dataclass(frozen=True)
class WheelNoise:
    """How wheel odometry errs.

    Args:
        speed_scale: Error of the wheel radius, as a fraction.
        turn_scale: Error of the track width, as a fraction.
        turn_bias: Constant error of the yaw rate, rad/s.
        speed_density: White noise on the speed, m/s per root Hz.
        turn_density: White noise on the yaw rate, rad/s per root Hz.
    """

    speed_scale: float = 0.008
    turn_scale: float = 0.006
    turn_bias: float = 0.0006
    speed_density: float = 0.02
    turn_density: float = 0.005


@dataclass(frozen=True)
class DriveConfig:
    """A drive through the town.

    Args:
        seed: Decides noise, traffic and how the robot keeps its lane.
        lap: Crossings of one round, each next to the one before; the last leads back to the first.
        laps: How often the round is driven.
        against: Crossings visited after the last lap, along a street of the lap but the other way; empty for none.
        speed: On a straight, m/s.
        corner_speed: In a corner, m/s.
        acceleration: Most that the robot speeds up or brakes, m/s².
        wander: How far from the lane's middle later laps may be, metres.
        rate: Images per second.
        odometry_rate: Odometry messages per second.
        width: Of the images, pixels.
        height: Of the images, pixels.
        field_of_view: Horizontal, degrees.
        camera_height: Metres above the ground.
        noise: How the odometry errs.
    """

    seed: int = 7
    lap: tuple[Crossing, ...] = LAP
    laps: int = 2
    against: tuple[Crossing, ...] = AGAINST
    speed: float = 3.0
    corner_speed: float = 1.8
    acceleration: float = 0.8
    wander: float = 0.8
    rate: float = 4.0
    odometry_rate: float = 20.0
    width: int = 640
    height: int = 480
    field_of_view: float = 75.0
    camera_height: float = 1.0
    noise: WheelNoise = WheelNoise()

    def __post_init__(self) -> None:
        if self.laps < 1:
            raise ConfigError(f"laps is {self.laps}; the robot drives at least one.")
        for name in ("speed", "corner_speed", "acceleration", "rate", "odometry_rate", "camera_height"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above zero.")
        if not (16 <= self.width <= 4096 and 16 <= self.height <= 4096):
            raise ConfigError(f"Images of {self.width} x {self.height} pixels; take 16 to 4096 either way.")
        if not 20 <= self.field_of_view <= 140:
            raise ConfigError(f"field_of_view is {self.field_of_view} degrees; take 20 to 140.")
        if len(self.lap) < 4:
            raise ConfigError(f"A lap of {len(self.lap)} crossings is no round; name at least 4.")
