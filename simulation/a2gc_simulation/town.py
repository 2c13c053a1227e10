"""What a town consists of.

The world frame has x east, y north, z up, and its origin on the crossing (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from a2gc_simulation.config import Crossing, TownConfig
from a2gc_simulation.facades import Facade

Roof = Literal["gable", "hip", "flat"]
PropKind = Literal["tree", "lamp", "billboard", "bench", "bin", "hedge"]


@dataclass(frozen=True)
class Building:
    """A house. In its own frame the front faces +x, a corner house's second front +y.

    Args:
        x: Middle of the ground plan, metres.
        y: Middle of the ground plan, metres.
        yaw: Direction of the front, radians.
        depth: Extent along the front's direction, metres.
        width: Of the front, metres.
        front: What it looks like.
        side: The second front of a corner house.
        roof: Its shape.
        roof_height: Metres above the eaves.
        roof_color: RGB, 0 to 1.
        balcony: Whether balconies hang from the front.
        awning: Whether an awning hangs over the shop.
    """

    x: float
    y: float
    yaw: float
    depth: float
    width: float
    front: Facade
    side: Facade | None
    roof: Roof
    roof_height: float
    roof_color: tuple[float, float, float]
    balcony: bool
    awning: bool

    @property
    def height(self) -> float:
        """Metres from the ground to the eaves."""
        return self.front.height


@dataclass(frozen=True)
class Street:
    """A street between two neighboring crossings, the first west or south of the second."""

    start: Crossing
    end: Crossing

    @property
    def along_x(self) -> bool:
        """Whether the street runs east, else north."""
        return self.start[1] == self.end[1]


@dataclass(frozen=True)
class Prop:
    """Something that stands in a street or park.

    Args:
        kind: What it is.
        x: Metres.
        y: Metres.
        yaw: Radians; lamps and posters face this way.
        size: Height of a tree or length of a hedge in metres, else 1.
        seed: Decides its details.
    """

    kind: PropKind
    x: float
    y: float
    yaw: float
    size: float
    seed: int


@dataclass(frozen=True)
class ParkingSlot:
    """A place for a parked car; ``yaw`` is the direction in which it was driven there, radians."""

    x: float
    y: float
    yaw: float


@dataclass(frozen=True)
class Town:
    """A town, ready to be rendered and driven through."""

    config: TownConfig
    buildings: tuple[Building, ...]
    streets: tuple[Street, ...]
    zebras: frozenset[Crossing]
    props: tuple[Prop, ...]
    slots: tuple[ParkingSlot, ...]
    park: Crossing | None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edge of the outermost pavements, metres."""
        config, edge = self.config, self.config.half_street
        x, y = config.position((config.columns - 1, config.rows - 1))
        return -edge, -edge, x + edge, y + edge
