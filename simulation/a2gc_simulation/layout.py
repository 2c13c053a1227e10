"""Lays out a town: streets, and where every house stands.

Houses stand in blocks between the streets and in a closed row round the outermost streets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from a2gc_simulation.config import Crossing, TownConfig
from a2gc_simulation.facades import SHOPS, Facade, random_facade
from a2gc_simulation.street_furniture import park_props, parking_slots, street_props
from a2gc_simulation.town import Building, Roof, Street, Town

ROOF_COLORS: tuple[tuple[float, float, float], ...] = (
    (0.66, 0.30, 0.22), (0.52, 0.26, 0.20), (0.38, 0.38, 0.42), (0.56, 0.42, 0.32), (0.30, 0.34, 0.38),
)  # fmt: skip


def build_town(config: TownConfig | None = None) -> Town:
    """Lays out a town; the same configuration gives the same town."""
    config = config or TownConfig()
    streets = tuple(_streets(config))
    park = (0, config.rows - 2) if config.columns > 2 and config.rows > 2 else None
    zebras = frozenset(c for c in _crossings(config) if config.random(3, *_canonical(config, c)[0]).random() < 0.5)
    buildings = (*_blocks(config, park), *_outer_rows(config))
    props = (*street_props(config, streets), *(park_props(config, park) if park else ()))
    return Town(config, tuple(buildings), streets, zebras, tuple(props), tuple(parking_slots(config, streets)), park)


def _canonical(config: TownConfig, crossing: Crossing) -> tuple[Crossing, int]:
    """Returns the crossing that this one is built like, and by how many quarter turns it is turned against it."""
    if config.twins is not None and crossing == config.twins[1]:
        return config.twins[0], 2
    return crossing, 0


def _crossings(config: TownConfig) -> Iterator[Crossing]:
    return ((column, row) for column in range(config.columns) for row in range(config.rows))


def _streets(config: TownConfig) -> Iterator[Street]:
    for column, row in _crossings(config):
        if column + 1 < config.columns:
            yield Street((column, row), (column + 1, row))
        if row + 1 < config.rows:
            yield Street((column, row), (column, row + 1))


def _house(
    pose: tuple[float, float, float], depth: float, width: float, rng: np.random.Generator, *, corner: bool = False
) -> Building:
    """Draws a house; its pose is x, y and yaw."""
    floors = int(rng.choice([2, 3, 3, 4]))
    height = floors * float(rng.uniform(2.95, 3.25)) + 1.0
    front = random_facade(rng, width, height, floors)
    side = None
    if corner:
        shop = front.shop if rng.random() < 0.5 else ""
        seed, wear = (int(n) for n in rng.integers(2**31, size=2))
        side = Facade(seed, wear, depth, front.height, front.floors, front.wall, front.color, shop)
    roof: Roof = "flat" if rng.random() < 0.3 else ("hip" if corner else "gable")
    color = ROOF_COLORS[int(rng.integers(len(ROOF_COLORS)))]
    balcony = not front.shop and front.floors > 2 and bool(rng.random() < 0.5)
    awning = bool(front.shop) and bool(rng.random() < 0.5)
    rise = float(rng.uniform(1.6, 2.8))
    return Building(*pose, depth, width, front, side, roof, rise, color, balcony, awning)


def _lived_in(building: Building, rng: np.random.Generator) -> Building:
    """Returns a house of the same make with other people in it: their curtains, their shop, their goods."""
    front, side = (int(n) for n in rng.integers(2**31, size=2))
    shop = SHOPS[int(rng.integers(len(SHOPS)))]
    return replace(
        building,
        front=replace(building.front, wear=front, shop=building.front.shop and shop),
        side=building.side and replace(building.side, wear=side, shop=building.side.shop and shop),
    )


def _row(
    config: TownConfig, start: npt.ArrayLike, end: npt.ArrayLike, yaw: float, key: tuple[int, ...]
) -> Iterator[Building]:
    """Fills a line of house fronts, which face ``yaw``, with houses."""
    rng = config.random(*key)
    a, b = np.asarray(start), np.asarray(end)
    length = float(np.linalg.norm(b - a))
    count = max(1, round(length / float(rng.uniform(5.5, 8.5))))
    weights = rng.uniform(0.8, 1.2, count)
    edges = np.concatenate([[0.0], np.cumsum(weights / weights.sum())])
    depth = config.corner - 0.3
    back = np.array([np.cos(yaw), np.sin(yaw)]) * depth / 2
    for lower, upper in itertools.pairwise(edges):
        x, y = a + (b - a) * (lower + upper) / 2 - back
        # Whole millimetres, lest rounding tell two equal fronts apart.
        yield _house((float(x), float(y), yaw), depth, round(length * float(upper - lower), 3), rng)


def _blocks(config: TownConfig, park: Crossing | None) -> Iterator[Building]:
    """The houses of the blocks between the streets, but for the park."""
    half, corner = config.half_street, config.corner
    for column in range(config.columns - 1):
        for row in range(config.rows - 1):
            if (column, row) == park:
                continue
            x0, y0 = (v + half for v in config.position((column, row)))
            x1, y1 = (v - half for v in config.position((column + 1, row + 1)))
            for quarter, (crossing, x, y) in enumerate(
                (
                    ((column + 1, row + 1), x1 - corner / 2, y1 - corner / 2),
                    ((column, row + 1), x0 + corner / 2, y1 - corner / 2),
                    ((column, row), x0 + corner / 2, y0 + corner / 2),
                    ((column + 1, row), x1 - corner / 2, y0 + corner / 2),
                )
            ):
                original, turned = _canonical(config, crossing)
                rng = config.random(1, *original, (quarter - turned) % 4)
                house = _house((x, y, quarter * np.pi / 2), corner, corner, rng, corner=True)
                yield _lived_in(house, config.random(8, *crossing, quarter))
            x0, y0, x1, y1 = x0 + corner, y0 + corner, x1 - corner, y1 - corner
            yield from _row(config, (x1 + corner, y0), (x1 + corner, y1), 0.0, (2, column, row, 0))
            yield from _row(config, (x1, y1 + corner), (x0, y1 + corner), np.pi / 2, (2, column, row, 1))
            yield from _row(config, (x0 - corner, y1), (x0 - corner, y0), np.pi, (2, column, row, 2))
            yield from _row(config, (x0, y0 - corner), (x1, y0 - corner), -np.pi / 2, (2, column, row, 3))


def _outer_rows(config: TownConfig) -> Iterator[Building]:
    """The houses round the town, which look inwards; the one opposite a street belongs to its crossing."""
    half = config.half_street
    columns, rows = range(config.columns), range(config.rows)
    sides = (  # direction of the fronts, the way out of the town, the crossings along the side
        (0.0, (-1, 0), [(0, row) for row in rows]),
        (np.pi / 2, (0, -1), [(column, 0) for column in columns]),
        (np.pi, (1, 0), [(config.columns - 1, row) for row in rows]),
        (-np.pi / 2, (0, 1), [(column, config.rows - 1) for column in columns]),
    )
    for quarter, (yaw, out, crossings) in enumerate(sides):
        # Seen from the street, houses follow each other to the right.
        right = np.array([np.sin(yaw), -np.cos(yaw)])
        middles = [np.array(config.position(crossing)) + half * np.array(out) for crossing in crossings]
        for index, (middle, crossing) in enumerate(zip(middles, crossings, strict=True)):
            yield from _row(config, middle - half * right, middle + half * right, yaw, (4, *crossing, quarter))
            if index + 1 < len(middles):
                following = middles[index + 1]
                ahead = np.sign(np.dot(following - middle, right)) * right
                yield from _row(config, middle + half * ahead, following - half * ahead, yaw, (5, quarter, index))
