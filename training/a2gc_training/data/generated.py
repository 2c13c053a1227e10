"""Rendered rooms: endless places with exact parallax, for smoke runs and beside photographs.

A room is a textured box, seen from inside through a pinhole. A place is a pose in a room; its views are poses nearby,
under another light and with things standing in the way. Everything follows from numbers in an image's name, so
nothing is stored.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_training.config import require, require_each
from a2gc_training.data.rules import SameColumns
from a2gc_training.data.tables import ImageTable

PIXELS_PER_METRE = 40


@dataclass(frozen=True)
class GeneratedSource:
    """Places in rendered rooms.

    Attributes:
        places: How many places.
        views: Images of each.
        height: Rows of an image.
        width: Columns of an image.
        seed: Seed of the rooms; another seed gives other rooms.
        places_per_room: Places that share a room, and so its textures.
        move_metres: A view's camera stands up to this far from the place's.
        turn_degrees: A view's camera is turned up to this far from the place's.
        light: Strength of the change of light between views, from 0.
        clutter: Largest number of things in the way.
    """

    same: ClassVar[SameColumns] = SameColumns()
    places: int
    views: int
    height: int = 120
    width: int = 160
    kind: Literal["generated"] = "generated"
    seed: int = 0
    places_per_room: int = 2
    move_metres: float = 0.4
    turn_degrees: float = 10.0
    light: float = 0.4
    clutter: int = 2

    def __post_init__(self) -> None:
        require_each(self, 1, "must be at least 1.", "places", "views", "height", "width", "places_per_room")
        least = min(self.seed, self.move_metres, self.turn_degrees, self.light, self.clutter)
        require(least >= 0, "seed, move_metres, turn_degrees, light and clutter cannot be negative.")

    def table(self) -> ImageTable:
        """All views; columns ``place``, ``view`` and ``room``."""
        places = np.repeat(np.arange(self.places), self.views)
        views = np.tile(np.arange(self.views), self.places)
        names = [f"{place}/{view}" for place, view in zip(places, views, strict=True)]
        numbers = {"place": places, "view": views, "room": places // self.places_per_room}
        columns = {name: values.astype(np.float64) for name, values in numbers.items()}
        return ImageTable(f"generated places (seed {self.seed})", names, GeneratedReader(self), columns)


@dataclass(frozen=True)
class GeneratedReader:
    """Renders an image from its name, ``PLACE/VIEW``."""

    source: GeneratedSource

    def read(self, name: str) -> NDArray[np.uint8]:
        """Renders; raises DatasetError when the name is none of this source's."""
        place, _, view = name.partition("/")
        if not (place.isdigit() and view.isdigit()):
            raise DatasetError(f"{name!r} names no generated image; names are PLACE/VIEW, two numbers.")
        return render_view(self.source, int(place), int(view))

    def identity(self, name: str) -> str:
        """The name with everything the rendering depends on."""
        return f"{self.source}:{name}"

    def mark(self, name: str) -> int:  # noqa: ARG002
        """Always the same: the identity says all."""
        return 0


@dataclass(frozen=True)
class Room:
    """A box with a texture inside each face.

    Attributes:
        size: float64 (3,), metres along x, y and z (up); the box spans [0, size].
        textures: Face (axis, side) at ``2 * axis + side``, uint8 (rows, columns, 3): the columns run along the first
            of the two other axes, the rows along the second.
    """

    size: NDArray[np.float64]
    textures: tuple[NDArray[np.uint8], ...]


def render_view(source: GeneratedSource, place: int, view: int) -> NDArray[np.uint8]:
    """Renders a view of a place, uint8 (height, width, 3), RGB."""
    room = random_room(source.seed, place // source.places_per_room)
    at_place = np.random.default_rng([source.seed, 1, place])
    center = room.size * [*at_place.uniform(0.3, 0.7, 2), 0]
    center[2] = at_place.uniform(1.0, 1.6)
    # Places of a room look different ways, spread evenly with some freedom.
    share = (place % source.places_per_room + at_place.uniform(-0.15, 0.15)) / source.places_per_room
    heading = 2 * np.pi * share
    rng = np.random.default_rng([source.seed, 2, place, view])
    position = center + rng.uniform(-1, 1, 3) * source.move_metres * [1, 1, 0.3]
    turn = np.radians(source.turn_degrees)
    yaw = heading + rng.uniform(-turn, turn)
    pitch, roll = rng.uniform(-turn, turn, 2) * [0.4, 0.2]
    inside = np.clip(position, 0.2, room.size - 0.2)
    image = render(room, inside, _rotation(yaw, pitch, roll), source.height, source.width)
    _add_clutter(image, rng, int(rng.integers(0, source.clutter + 1)))
    return _light(image, rng, source.light)


def render(
    room: Room, position: NDArray[np.float64], rotation: NDArray[np.float64], height: int, width: int
) -> NDArray[np.float32]:
    """Casts a ray per pixel at the inside of the box, field of view 75 degrees.

    Args:
        room: The box.
        position: float64 (3,), metres, inside the box.
        rotation: float64 (3, 3), camera to room; the camera looks along its x, its y points left, its z up.
        height: Rows.
        width: Columns.

    Returns:
        float32 (height, width, 3), RGB, in [0, 255], darker with distance.
    """
    focal = width / 2 / np.tan(np.radians(75) / 2)
    left = -(np.arange(width) - (width - 1) / 2) / focal
    up = -(np.arange(height) - (height - 1) / 2) / focal
    rays = np.stack(np.broadcast_arrays(1.0, left[None, :], up[:, None]), axis=-1) @ rotation.T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    to_face = np.where(rays > 0, room.size, 0.0) - position
    # A ray along a face never meets it.
    reach = np.divide(to_face, rays, out=np.full_like(rays, np.inf), where=rays != 0)
    axis = np.argmin(reach, axis=-1)
    distance = np.take_along_axis(reach, axis[..., None], axis=-1)
    hit = position + distance * rays
    side = np.take_along_axis(rays, axis[..., None], axis=-1)[..., 0] > 0
    image = np.empty((height, width, 3), np.float32)
    for face, texture in enumerate(room.textures):
        across, along = (number for number in range(3) if number != face // 2)
        mask = (axis == face // 2) & (side == bool(face % 2))
        if mask.any():
            # OpenCV remaps no list longer than 32767, so the whole grid is sampled.
            columns, rows = (hit[..., number].astype(np.float32) * PIXELS_PER_METRE for number in (across, along))
            sampled = cv2.remap(texture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            image[mask] = sampled[mask]
    return (image / (1 + 0.06 * distance)).astype(np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Rz(yaw) Ry(pitch) Rx(roll), radians."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x


@functools.lru_cache(maxsize=64)
def random_room(seed: int, number: int) -> Room:
    """A room by its number; the last few are kept."""
    rng = np.random.default_rng([seed, 0, number])
    size = np.array([rng.uniform(3, 10), rng.uniform(3, 10), rng.uniform(2.4, 3.5)])
    wall = rng.uniform(90, 235, 3)
    textures = []
    for face in range(6):
        across, along = (size[axis] for axis in range(3) if axis != face // 2)
        shape = (int(along * PIXELS_PER_METRE) + 1, int(across * PIXELS_PER_METRE) + 1)
        if face // 2 == 2:
            texture = _surface(rng, shape, rng.uniform(50, 220, 3))
            _add_tiles(texture, rng)
        else:
            texture = _surface(rng, shape, wall * rng.uniform(0.85, 1.1))
            _add_things(texture, rng)
        textures.append(texture)
    return Room(size, tuple(textures))


def _surface(rng: np.random.Generator, shape: tuple[int, int], color: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Plaster: a color with noise of several wavelengths."""
    grain = np.zeros(shape, np.float32)
    for cells, strength in ((4, 12.0), (16, 8.0), (64, 6.0)):
        coarse = rng.standard_normal((min(cells, shape[0]), min(cells, shape[1]))).astype(np.float32)
        grain += strength * cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(grain[..., None] + color, 0, 255).astype(np.uint8)


def _add_tiles(texture: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Joints of floor or ceiling tiles, and lamps or mats."""
    pitch = int(rng.integers(16, 48))
    shade = int(rng.integers(20, 90))
    texture[::pitch] = np.clip(texture[::pitch].astype(int) - shade, 0, 255)
    texture[:, ::pitch] = np.clip(texture[:, ::pitch].astype(int) - shade, 0, 255)
    for _ in range(rng.integers(1, 6)):
        _rectangle(texture, rng, rng.uniform(0, 255, 3), (0.3, 1.2), (0.3, 1.2))


def _add_things(texture: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Doors, windows and pictures on a wall, with something to see in each."""
    for _ in range(rng.integers(3, 9)):
        top, left, height, width = _rectangle(texture, rng, rng.uniform(0, 255, 3), (0.4, 1.6), (0.4, 2.0))
        inside = texture[top : top + height, left : left + width]
        for _ in range(rng.integers(1, 7)):
            color = [int(value) for value in rng.integers(0, 256, 3)]
            first, second = (
                (int(rng.integers(0, max(width, 1))), int(rng.integers(0, max(height, 1)))) for _ in range(2)
            )
            if rng.random() < 0.5:
                cv2.line(inside, first, second, color, int(rng.integers(1, 5)), cv2.LINE_AA)
            else:
                cv2.circle(inside, first, int(rng.integers(3, 16)), color, -1, cv2.LINE_AA)


def _rectangle(
    texture: NDArray[np.uint8],
    rng: np.random.Generator,
    color: NDArray[np.float64],
    metres_across: tuple[float, float],
    metres_along: tuple[float, float],
) -> tuple[int, int, int, int]:
    rows, columns = texture.shape[:2]
    height = min(int(rng.uniform(*metres_along) * PIXELS_PER_METRE), rows)
    width = min(int(rng.uniform(*metres_across) * PIXELS_PER_METRE), columns)
    top, left = int(rng.integers(0, rows - height + 1)), int(rng.integers(0, columns - width + 1))
    texture[top : top + height, left : left + width] = color.astype(np.uint8)
    frame = [int(value) for value in 255 - color]
    cv2.rectangle(texture, (left, top), (left + width - 1, top + height - 1), frame, 2)
    return top, left, height, width


def _add_clutter(image: NDArray[np.float32], rng: np.random.Generator, count: int) -> None:
    """Things between camera and walls, standing on the lower edge."""
    height, width = image.shape[:2]
    for _ in range(count):
        center = (int(rng.uniform(0, width)), int(rng.uniform(0.7, 1.1) * height))
        axes = (int(rng.uniform(0.04, 0.12) * width), int(rng.uniform(0.1, 0.4) * height))
        cv2.ellipse(image, center, axes, 0, 0, 360, rng.uniform(0, 200, 3).tolist(), -1, cv2.LINE_AA)


def _light(image: NDArray[np.float32], rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """A gain per channel, a gradient across the image and some noise."""
    gain = np.exp(rng.normal(0, 0.5 * strength) + rng.normal(0, 0.12 * strength, 3))
    slope = rng.uniform(-strength, strength, 2)
    height, width = image.shape[:2]
    gradient = 1 + slope[0] * np.linspace(-0.5, 0.5, width)[None] + slope[1] * np.linspace(-0.5, 0.5, height)[:, None]
    lit = image * gradient[..., None] * gain + rng.normal(0, 4 * strength, image.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)
