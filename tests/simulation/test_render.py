from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from a2gc_simulation import gl
from a2gc_simulation.drive import Drive
from a2gc_simulation.light import LIGHTS
from a2gc_simulation.render import Renderer, camera_pose, intrinsics_of

from a2gc_ros.errors import BackendError
from a2gc_ros.geometry import pose_from_xy_yaw

MORNING = LIGHTS[0]


@pytest.fixture(scope="module")
def renderer(opengl: None, short_drive: Drive) -> Iterator[Renderer]:
    with Renderer(short_drive.town, short_drive.config, short_drive.traffic.cars, supersampling=1) as renderer:
        yield renderer


def empty(drive: Drive) -> list[None]:
    return [None] * len(drive.traffic.cars)


def test_a_picture_has_sky_above_and_street_below(renderer: Renderer, short_drive: Drive) -> None:
    image = renderer.render(pose_from_xy_yaw(2.0, 0.0, 0.0), empty(short_drive), MORNING)
    config = short_drive.config
    assert image.shape == (config.height, config.width, 3)
    assert image.dtype == np.uint8
    middle = slice(config.width // 2 - 5, config.width // 2 + 5)
    sky, street = image[:8, middle].reshape(-1, 3).mean(axis=0), image[-15:, middle].reshape(-1, 3).mean(axis=0)
    assert sky[2] > sky[0] + 15
    assert np.ptp(street) < 25


def test_the_same_view_is_drawn_the_same_way(renderer: Renderer, short_drive: Drive) -> None:
    view = pose_from_xy_yaw(4.0, -1.5, 0.1)
    first, second = (renderer.render(view, empty(short_drive), MORNING) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_car_is_drawn_where_the_camera_model_says(renderer: Renderer, short_drive: Drive) -> None:
    robot, car = pose_from_xy_yaw(2.0, -1.5, 0.0), pose_from_xy_yaw(12.0, 1.6, np.pi)
    without = renderer.render(robot, empty(short_drive), MORNING).astype(int)
    seen = renderer.render(robot, [car, *empty(short_drive)[1:]], MORNING).astype(int)
    rows, columns = np.nonzero(np.abs(seen - without).sum(axis=2) > 60)
    config = short_drive.config
    t_camera_map = np.linalg.inv(robot @ camera_pose(config))
    point = (t_camera_map @ car @ [0, 0, 0.7, 1.0])[:3]
    u, v, w = intrinsics_of(config).matrix @ point
    assert np.median(columns) == pytest.approx(u / w, abs=6)
    assert np.median(rows) == pytest.approx(v / w, abs=8)


def test_a_turn_to_the_left_moves_the_view_to_the_right(renderer: Renderer, short_drive: Drive) -> None:
    angle = 0.05
    straight, turned = (
        cv2.cvtColor(renderer.render(pose_from_xy_yaw(2.0, 0.0, yaw), empty(short_drive), MORNING), cv2.COLOR_RGB2GRAY)
        for yaw in (0.0, angle)
    )
    height = short_drive.config.height
    # The middle band holds the houses at the end of the street, the same at any small turn but for a shift.
    band = slice(height // 2 - 15, height // 2 + 5)
    patch = straight[band, 60:100]
    scores = cv2.matchTemplate(turned[band], patch, cv2.TM_CCOEFF_NORMED)[0]
    shift = int(scores.argmax()) - 60
    assert shift == pytest.approx(intrinsics_of(short_drive.config).matrix[0, 0] * np.tan(angle), abs=2)


def test_light_changes_the_picture_and_comes_back(renderer: Renderer, short_drive: Drive) -> None:
    view = pose_from_xy_yaw(4.0, -1.5, 0.0)
    morning = renderer.render(view, empty(short_drive), MORNING).astype(int)
    evening = renderer.render(view, empty(short_drive), LIGHTS[1]).astype(int)
    assert np.abs(evening - morning).mean() > 10
    assert np.array_equal(renderer.render(view, empty(short_drive), MORNING), morning)


def test_without_opengl_one_sentence_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco", reason="needs MuJoCo, which is not installed")
    monkeypatch.setattr(gl, "BACKENDS", ())
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    gl.find_backend.cache_clear()
    try:
        with pytest.raises(BackendError, match=r"apt-get install libegl1 libgl1-mesa-dri"):
            gl.find_backend()
    finally:
        gl.find_backend.cache_clear()
