"""What stands along the kerbs and in the park, and where cars may park."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from a2gc_simulation.config import Crossing, TownConfig
from a2gc_simulation.town import ParkingSlot, Prop, PropKind, Street


def street_props(config: TownConfig, streets: tuple[Street, ...]) -> Iterator[Prop]:
    """Lamps, trees, bins, benches and posters along the kerbs."""
    kerb = config.carriageway / 2 + 0.55
    for number, street in enumerate(streets):
        rng = config.random(6, number)
        x0, y0 = config.position(street.start)
        heading = 0.0 if street.along_x else np.pi / 2
        ahead = np.array([np.cos(heading), np.sin(heading)])
        left = np.array([-ahead[1], ahead[0]])
        with_trees = rng.random() < 0.55
        for side in (-1, 1):
            places = np.arange(config.half_street + 2.5, config.spacing - config.half_street - 1.5, 4.2)
            for k, along in enumerate(places + rng.uniform(-0.6, 0.6, len(places))):
                x, y = np.array([x0, y0]) + ahead * along + left * side * kerb
                yaw = heading - side * np.pi / 2
                chance, seed = rng.random(), int(rng.integers(2**31))
                if (k + (side > 0)) % 3 == 0:
                    yield Prop("lamp", float(x), float(y), yaw, 1.0, seed)
                elif with_trees and chance < 0.75:
                    yield Prop("tree", float(x), float(y), yaw, float(rng.uniform(4.5, 6.5)), seed)
                elif chance < 0.2:
                    yield Prop("bin", float(x), float(y), yaw, 1.0, seed)
                elif chance < 0.36:
                    yield Prop("billboard", float(x), float(y), heading, 1.0, seed)


def park_props(config: TownConfig, park: Crossing) -> Iterator[Prop]:
    """Trees, benches, hedges and posters on the lawn that replaces one block."""
    rng = config.random(7)
    half = config.half_street
    x0, y0 = (v + half for v in config.position(park))
    x1, y1 = (v - half for v in config.position((park[0] + 1, park[1] + 1)))
    for x in np.linspace(x0 + 2.5, x1 - 2.5, 4):
        for y in np.linspace(y0 + 2.5, y1 - 2.5, 4):
            dx, dy = rng.normal(0, 0.7, 2)
            yield Prop(
                "tree", float(x + dx), float(y + dy), 0.0, float(rng.uniform(5.5, 9.0)), int(rng.integers(2**31))
            )
    side = x1 - x0
    for x, y, yaw in (
        ((x0 + x1) / 2, y0 + 0.6, -np.pi / 2),
        ((x0 + x1) / 2, y1 - 0.6, np.pi / 2),
        (x0 + 0.6, (y0 + y1) / 2, np.pi),
        (x1 - 0.6, (y0 + y1) / 2, 0.0),
    ):
        yield Prop("hedge", x, y, yaw, side * 0.62, int(rng.integers(2**31)))
        out = np.array([np.cos(yaw), np.sin(yaw)])
        along = np.array([-out[1], out[0]]) * side * 0.41
        for sign in (-1, 1):
            at = np.array([x, y]) + sign * along
            kind: PropKind = "billboard" if sign > 0 else "bench"
            yield Prop(kind, float(at[0]), float(at[1]), yaw, 1.0, int(rng.integers(2**31)))


def parking_slots(config: TownConfig, streets: tuple[Street, ...]) -> Iterator[ParkingSlot]:
    """Places for parked cars along both kerbs, clear of the crossings."""
    offset = config.carriageway / 2 - 1.0
    for street in streets:
        x0, y0 = config.position(street.start)
        heading = 0.0 if street.along_x else np.pi / 2
        ahead = np.array([np.cos(heading), np.sin(heading)])
        right = np.array([ahead[1], -ahead[0]])
        first, last = config.half_street + 4.8, config.spacing - config.half_street - 4.0
        for along in np.arange(first, last, 5.4):
            for side in (-1, 1):
                x, y = np.array([x0, y0]) + ahead * along + right * side * offset
                yield ParkingSlot(float(x), float(y), heading if side > 0 else heading + np.pi)
