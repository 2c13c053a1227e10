from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from a2gc_simulation.config import Crossing, TownConfig
from a2gc_simulation.facades import Facade
from a2gc_simulation.layout import build_town
from a2gc_simulation.town import Building, Town

from a2gc_ros.errors import ConfigError


def outline(building: Building) -> np.ndarray:
    half = np.array([building.depth, building.width]) / 2
    corners = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * half
    c, s = np.cos(building.yaw), np.sin(building.yaw)
    return corners @ np.array([[c, s], [-s, c]]) + [building.x, building.y]


def make(facade: Facade | None) -> Facade | None:
    return facade and replace(facade, wear=0, shop="shop" if facade.shop else "")


def around(town: Town, crossing: Crossing, turned: float) -> set[tuple]:
    """Of what make the corner houses of a crossing are, in a frame on the crossing turned by an angle."""
    x, y = town.config.position(crossing)
    reach = town.config.half_street + town.config.corner + 0.1
    c, s = np.cos(turned), np.sin(turned)
    found = set()
    for building in town.buildings:
        corners = outline(building) - [x, y]
        if building.side is not None and np.abs(corners).max() <= reach:
            px, py = np.array([[c, s], [-s, c]]) @ [building.x - x, building.y - y]
            yaw = (building.yaw - turned) % (2 * np.pi)
            place = tuple(round(float(v), 3) for v in (px, py, np.cos(yaw), np.sin(yaw)))
            found.add((place, make(building.front), make(building.side), building.roof, building.awning))
    return found


def test_the_same_seed_builds_the_same_town() -> None:
    assert build_town(TownConfig(seed=4)) == build_town(TownConfig(seed=4))


def test_another_seed_builds_another_town() -> None:
    assert build_town(TownConfig(seed=4)).buildings != build_town(TownConfig(seed=5)).buildings


def test_more_rows_leave_the_other_houses_as_they_are() -> None:
    small, large = (build_town(TownConfig(seed=4, rows=rows, twins=None)) for rows in (3, 4))
    south = [house for house in small.buildings if house.y < 0]
    assert south == [house for house in large.buildings if house.y < 0]


def test_twin_crossings_are_built_alike_but_for_half_a_turn(town: Town) -> None:
    first, second = town.config.twins
    assert len(around(town, first, 0.0)) == 2
    assert around(town, first, 0.0) == around(town, second, np.pi)
    assert (first in town.zebras) == (second in town.zebras)


def test_houses_of_one_make_are_not_worn_alike(town: Town) -> None:
    fronts = [house.front for house in town.buildings]
    makes = [make(front) for front in fronts]
    assert len(set(fronts)) == len(fronts)
    assert len(makes) - len(set(makes)) == len(around(town, town.config.twins[0], 0.0))


def test_other_crossings_are_not_alike(town: Town) -> None:
    first, second = town.config.twins
    others = [(c, r) for c in range(4) for r in range(3) if (c, r) not in (first, second)]
    fronts = {key[1] for key in around(town, first, 0.0)}
    for crossing in others:
        assert not fronts & {key[1] for key in around(town, crossing, 0.0)}, crossing


def test_a_town_without_twins_repeats_no_make() -> None:
    fronts = [make(house.front) for house in build_town(TownConfig(seed=4, twins=None)).buildings]
    assert len(set(fronts)) == len(fronts)


@pytest.mark.parametrize("seed", [0, 7, 123])
def test_streets_are_free_of_houses_and_houses_of_each_other(seed: int) -> None:
    town = build_town(TownConfig(seed=seed))
    config = town.config
    boxes = np.array([[*outline(house).min(axis=0), *outline(house).max(axis=0)] for house in town.buildings])
    for column in range(config.columns):
        x = column * config.spacing
        inside = (boxes[:, 0] < x + config.half_street - 1e-6) & (boxes[:, 2] > x - config.half_street + 1e-6)
        within = (boxes[:, 1] < town.bounds[3] - 1e-6) & (boxes[:, 3] > town.bounds[1] + 1e-6)
        assert not (inside & within).any()
    for k, box in enumerate(boxes):
        rest = np.delete(boxes, k, axis=0)
        overlap = (np.minimum(rest[:, 2:], box[2:]) - np.maximum(rest[:, :2], box[:2])).min(axis=1)
        assert overlap.max() < 0.002


def test_houses_face_a_street(town: Town) -> None:
    config = town.config
    for house in town.buildings:
        front = np.array([house.x, house.y]) + np.array([np.cos(house.yaw), np.sin(house.yaw)]) * house.depth / 2
        offsets = [abs(front[0] - c * config.spacing) for c in range(config.columns)]
        offsets += [abs(front[1] - r * config.spacing) for r in range(config.rows)]
        assert min(abs(offset - config.half_street) for offset in offsets) < 1e-6


def test_trees_and_posters_stand_clear_of_the_carriageways(town: Town) -> None:
    config = town.config
    for prop in town.props:
        nearest_x = min(abs(prop.x - c * config.spacing) for c in range(config.columns))
        nearest_y = min(abs(prop.y - r * config.spacing) for r in range(config.rows))
        assert min(nearest_x, nearest_y) > config.carriageway / 2


def test_parked_cars_leave_the_lanes_free(town: Town) -> None:
    config = town.config
    for slot in town.slots:
        along_x = abs(np.cos(slot.yaw)) > 0.5
        across = slot.y if along_x else slot.x
        offset = abs((across + config.spacing / 2) % config.spacing - config.spacing / 2)
        assert config.lane + 1.0 + 0.8 < offset < config.carriageway / 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": 1}, "no block"),
        ({"spacing": 20.0}, "29.0 m or more"),
        ({"twins": ((1, 0), (9, 9))}, "no crossing"),
    ],
)
def test_impossible_towns_are_refused(change: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TownConfig(**change)
