"""What house fronts are like: materials, colors, storeys, shops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from a2gc_simulation.colors import Color, adjusted

Wall = Literal["brick", "plaster", "stone", "boards", "panels"]

WALLS: tuple[Wall, ...] = ("brick", "plaster", "stone", "boards", "panels")
WALL_COLORS: dict[Wall, tuple[Color, ...]] = {
    "brick": ((150, 74, 56), (170, 110, 78), (122, 66, 58), (186, 152, 116), (134, 96, 84)),
    "plaster": ((222, 200, 150), (206, 160, 120), (188, 198, 186), (226, 220, 206), (170, 186, 204), (214, 172, 160)),
    "stone": ((178, 170, 152), (150, 146, 140), (196, 180, 148)),
    "boards": ((92, 122, 140), (196, 196, 186), (120, 140, 108), (166, 92, 74), (210, 186, 120)),
    "panels": ((170, 172, 172), (150, 160, 168), (186, 178, 166)),
}
SHOPS = (
    "BAKERY", "HOTEL", "CAFE LUNA", "BOOKS", "PHARMACY", "FLOWERS", "BARBER", "PIZZA", "MUSIC", "OPTIK", "BANK",
    "TOYS", "CINEMA", "FISH", "WINE", "SHOES", "BIKES", "PHOTO", "TEA ROOM", "ANTIQUES", "POST", "LAUNDRY", "TAILOR",
    "GALLERY", "NOODLES", "HARDWARE", "JEWELS", "MARKET", "PETS", "STUDIO 9", "RADIO", "KEYS",
)  # fmt: skip


@dataclass(frozen=True)
class Facade:
    """What a house front looks like.

    Args:
        seed: Decides what belongs to the house: windows, doors, colors of trim and sign.
        wear: Decides what people and weather have done to it: curtains, goods, flowers, stains, stones.
        width: Metres.
        height: Metres, ground to eaves.
        floors: Storeys, the ground floor counted.
        wall: Material.
        color: Of the wall, RGB.
        shop: Name on the sign over a shop window; empty for a dwelling.
    """

    seed: int
    wear: int
    width: float
    height: float
    floors: int
    wall: Wall
    color: Color
    shop: str = ""

    @property
    def bays(self) -> int:
        """Windows beside each other on an upper floor."""
        return max(1, round(self.width / 2.3))

    @property
    def ground_height(self) -> float:
        """Height of the ground floor in metres; shops are higher than dwellings."""
        return min(3.9 if self.shop else 3.3, self.height / self.floors * 1.25)

    @property
    def floor_height(self) -> float:
        """Height of an upper floor in metres."""
        return (self.height - self.ground_height - 0.5) / max(self.floors - 1, 1)


def random_facade(rng: np.random.Generator, width: float, height: float, floors: int) -> Facade:
    """Draws a front of the given size (metres)."""
    wall = WALLS[int(rng.integers(len(WALLS)))]
    colors = WALL_COLORS[wall]
    jitter = int(rng.integers(-14, 15))
    color = adjusted(colors[int(rng.integers(len(colors)))], 1.0, jitter)
    shop = SHOPS[int(rng.integers(len(SHOPS)))] if rng.random() < 0.55 else ""
    seed, wear = (int(n) for n in rng.integers(2**31, size=2))
    return Facade(seed, wear, width, height, floors, wall, color, shop)
