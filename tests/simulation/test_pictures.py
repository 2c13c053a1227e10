from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from a2gc_simulation import grounds
from a2gc_simulation.facade_painter import paint_facade
from a2gc_simulation.facades import WALLS, Facade, random_facade
from a2gc_simulation.lettering import write_centered
from a2gc_simulation.light import LIGHTS, light_of, paint_sky
from a2gc_simulation.noise import smooth_noise, tileable
from a2gc_simulation.walls import paint_wall

FRONT = Facade(11, 12, 7.0, 10.0, 3, "brick", (150, 80, 60), "BAKERY")


def test_equal_fronts_look_alike_to_the_last_pixel() -> None:
    assert np.array_equal(paint_facade(FRONT, 32), paint_facade(replace(FRONT), 32))


def test_wear_changes_less_than_make() -> None:
    def difference(other: Facade) -> float:
        return float(np.abs(paint_facade(FRONT, 32).astype(int) - paint_facade(other, 32)).mean())

    worn = difference(replace(FRONT, wear=99))
    assert worn > 4
    assert np.mean([difference(replace(FRONT, seed=seed)) for seed in range(5)]) > worn + 4


@pytest.mark.parametrize("shop", ["", "BOOKS"])
@pytest.mark.parametrize("wall", WALLS)
def test_fronts_of_every_kind_have_detail_to_match(wall: str, shop: str) -> None:
    image = paint_facade(replace(FRONT, wall=wall, shop=shop), 48)
    assert image.shape == (480, 336, 3)
    assert image.dtype == np.uint8
    corners = cv2.goodFeaturesToTrack(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 500, 0.03, 5)
    assert len(corners) > 60


def test_random_fronts_of_odd_sizes_can_be_painted() -> None:
    rng = np.random.default_rng(2)
    for _ in range(25):
        width, floors = float(rng.uniform(2.0, 11.0)), int(rng.integers(1, 6))
        facade = random_facade(rng, width, floors * 3.0 + 1.0, floors)
        assert paint_facade(facade, 10).shape == (round(facade.height * 10), round(width * 10), 3)


def test_upper_floors_fit_below_the_eaves() -> None:
    for floors in range(1, 6):
        facade = replace(FRONT, floors=floors, height=3.0 * floors + 1.0)
        top = facade.ground_height + (floors - 1) * facade.floor_height
        assert top <= facade.height
        assert facade.floor_height > 0 or floors == 1


def test_walls_have_the_colour_that_was_asked_for() -> None:
    for wall in WALLS:
        image = paint_wall(wall, (180, 120, 90), 4.0, 4.0, 32, np.random.default_rng(1))
        assert image.reshape(-1, 3).mean(axis=0) == pytest.approx([180, 120, 90], rel=0.15)


def test_lettering_stays_inside_and_leaves_the_original_alone() -> None:
    board = np.zeros((40, 200, 3), np.uint8)
    written = write_centered(board, "PHARMACY", (255, 255, 255))
    assert not board.any()
    columns = np.flatnonzero(written.max(axis=(0, 2)) > 128)
    assert columns.min() > 4
    assert columns.max() < 195
    assert len(columns) > 60


def test_ground_pictures_have_their_sizes() -> None:
    rng = np.random.default_rng(1)
    assert grounds.paint_street(20.0, 10.0, 20, rng, (True, False)).shape == (200, 400, 3)
    assert grounds.paint_crossing(10.0, 20, rng).shape == (200, 200, 3)
    assert grounds.paint_paving(4.0, 32, rng).shape == (128, 128, 3)
    assert grounds.paint_poster(100, 150, rng).shape == (150, 100, 3)


def test_zebras_lie_where_they_were_asked_for() -> None:
    def white(zebras: tuple[bool, bool]) -> tuple[float, float]:
        image = grounds.paint_street(30.0, 10.0, 20, np.random.default_rng(1), zebras).mean(axis=2) > 150
        return float(image[:, :60].mean()), float(image[:, -60:].mean())

    left, right = white((True, False))
    assert left > 2 * right
    left, right = white((False, True))
    assert right > 2 * left


def test_grass_tiles_without_a_seam() -> None:
    image = grounds.paint_grass(128, np.random.default_rng(1)).astype(float)
    across = np.abs(image[:, 0] - image[:, -1]).mean()
    inside = np.abs(np.diff(image, axis=1)).mean()
    assert across < 1.6 * inside


def test_tileable_keeps_a_picture_that_tiles_already() -> None:
    flat = np.full((64, 80, 3), 77, np.uint8)
    assert np.array_equal(tileable(flat, 8), flat[:56, :72])


def test_noise_is_centred_and_coarse() -> None:
    field = smooth_noise((200, 300), np.random.default_rng(1), coarsest=40.0)
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.2


@pytest.mark.parametrize("light", [light for light in LIGHTS if light.clouds < 0.9], ids=lambda light: light.name)
def test_a_sky_with_gaps_is_brightest_towards_the_sun(light) -> None:
    sky = paint_sky(light, 1, 360, 180).astype(float).sum(axis=2)
    towards = -light.direction
    column = round((180 - np.rad2deg(np.arctan2(towards[1], towards[0]))) % 360)
    row = round(90 - light.elevation)
    near = sky[row - 3 : row + 4, max(column - 3, 0) : column + 4].mean()
    away = sky[row - 3 : row + 4, (column + 180) % 360].mean()
    assert near > away


def test_laps_differ_in_light() -> None:
    assert light_of(0) != light_of(1)
    assert light_of(len(LIGHTS)) == light_of(0)
