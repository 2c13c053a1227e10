from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from a2gc_training.augmentation import Viewpoint
from a2gc_training.data.generated import GeneratedSource, Room, random_room, render, render_view
from a2gc_training.sections import AugmentationSection
from kornia.geometry.transform import warp_perspective

from a2gc_ros.errors import ConfigError, DatasetError

FORWARD = np.eye(3)


def plain_room(size: tuple[float, float, float]) -> Room:
    """Every face its own single color."""
    textures = tuple(np.full((40, 40, 3), 40 * face + 10, np.uint8) for face in range(6))
    return Room(np.array(size), textures)


def test_a_room_looks_as_geometry_says() -> None:
    room = plain_room((4.0, 2.0, 3.0))
    image = render(room, np.array([1.0, 0.5, 1.2]), FORWARD, 101, 201)
    # The camera looks along x at the wall three metres away, whose middle pixel loses light by distance.
    assert image[50, 100] == pytest.approx([50 / (1 + 0.06 * 3)] * 3, rel=1e-5)
    focal = 100.5 / np.tan(np.radians(37.5))
    # The wall's left edge is 1.5 m to the left, its right edge 0.5 m to the right, three metres ahead.
    slant = np.hypot(1, (np.arange(201) - 100) / focal)
    row = image[50, :, 0] * (1 + 0.06 * 3 * slant)
    far = np.flatnonzero(np.isclose(row, 50, atol=0.5))
    assert far.min() == pytest.approx(100 - 1.5 / 3 * focal, abs=1.5)
    assert far.max() == pytest.approx(100 + 0.5 / 3 * focal, abs=1.5)


def test_a_turn_of_the_camera_is_the_homography_of_the_augmentation() -> None:
    view = AugmentationSection(yaw_deg=6.0, pitch_deg=4.0, field_of_view_deg=75.0)
    torch.manual_seed(1)
    warp = Viewpoint(view).homographies(1, 120, 160)[0].numpy()
    focal = 80 / np.tan(np.radians(37.5))
    camera = np.array([[focal, 0, 79.5], [0, focal, 59.5], [0, 0, 1]])
    turn = np.linalg.inv(camera) @ warp @ camera
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-9)
    # From the camera's axes (right, down, ahead) to the room's (ahead, left, up).
    axes = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    room_turn = axes @ turn.T @ axes.T
    room, position = random_room(0, 0), np.array([1.5, 1.4, 1.3])
    before = render(room, position, FORWARD, 120, 160)
    after = render(room, position, FORWARD @ room_turn, 120, 160)
    warped = warp_perspective(
        torch.from_numpy(before).permute(2, 0, 1)[None], torch.from_numpy(warp)[None].float(), (120, 160)
    )[0].permute(1, 2, 0)
    inside = slice(30, -30), slice(40, -40)
    moved = np.abs(warped.numpy() - after)[inside]
    still = np.abs(before - after)[inside]
    assert moved.mean() < 0.2 * still.mean()


def test_an_image_is_the_same_every_time_and_no_two_are_alike() -> None:
    source = GeneratedSource(places=3, views=2, height=24, width=32)
    images = [render_view(source, place, view) for place in range(3) for view in range(2)]
    assert np.array_equal(images[3], render_view(source, 1, 1))
    assert len({image.tobytes() for image in images}) == 6
    other = GeneratedSource(places=3, views=2, height=24, width=32, seed=1)
    assert not np.array_equal(images[0], render_view(other, 0, 0))


def test_views_of_a_place_resemble_each_other_more_than_other_places() -> None:
    source = GeneratedSource(places=12, views=2, height=36, width=48, light=0.1, clutter=0)
    images = np.stack([render_view(source, p, v).ravel() for v in range(2) for p in range(12)]).astype(float)
    images -= images.mean(axis=1, keepdims=True)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    nearest = (images[:12] @ images[12:].T).argmax(axis=1)
    assert (nearest == np.arange(12)).mean() > 0.6


@pytest.mark.parametrize("options", [{"places": 0}, {"views": 0}, {"seed": -1}, {"light": -0.1}])
def test_senseless_sources_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        GeneratedSource(**{"places": 1, "views": 1, **options})


def test_a_strange_name_is_refused() -> None:
    with pytest.raises(DatasetError, match="PLACE/VIEW"):
        GeneratedSource(places=1, views=1).table().reader.read("a/b")
