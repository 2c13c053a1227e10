"""Pictures of bare walls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from a2gc_simulation.colors import Color
from a2gc_simulation.facades import Wall
from a2gc_simulation.noise import Image, shade, smooth_noise


class Courses(NamedTuple):
    """How a wall is laid.

    Attributes:
        height: Of a course, metres.
        length: Of a block, metres.
        spread: By how much blocks are lighter or darker than others.
        joint: How light joints are.
        stagger: Whether every other course is shifted by half a block.
    """

    height: float
    length: float
    spread: float
    joint: float
    stagger: bool = True


COURSES: dict[Wall, Courses] = {
    "brick": Courses(0.15, 0.36, spread=0.13, joint=1.22),
    "stone": Courses(0.42, 0.8, spread=0.09, joint=0.72),
    "panels": Courses(1.35, 1.5, spread=0.05, joint=0.6, stagger=False),
}


def paint_wall(wall: Wall, color: Color, width: float, height: float, scale: int, rng: np.random.Generator) -> Image:
    """Paints bare wall, uint8 RGB of (height, width) metres x ``scale`` texels per metre."""
    h, w = max(round(height * scale), 8), max(round(width * scale), 8)
    gain = 1 + 0.05 * smooth_noise((h, w), rng, coarsest=1.5 * scale, octaves=6)
    if wall in COURSES:
        gain *= _laid(COURSES[wall], h, w, scale, rng)
    elif wall == "boards":
        row = (np.arange(h) / (0.2 * scale)) % 1
        gain *= np.where(row < 0.14, 0.66, 0.94 + 0.1 * row)[:, None].astype(np.float32)
    else:
        gain *= 1 + 0.05 * smooth_noise((h, w), rng, coarsest=0.12 * scale, octaves=2)
        gain *= 1 - 0.12 * (smooth_noise((h, w), rng, coarsest=1.2 * scale, octaves=4) > 1.5)
    return shade(np.full((h, w, 3), color, np.uint8), gain.astype(np.float32))


def _laid(courses: Courses, h: int, w: int, scale: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Gain of a wall laid in courses, float32 (h, w)."""
    row_height, length = courses.height * scale, courses.length * scale
    y, x = np.mgrid[:h, :w].astype(np.float32)
    row = np.floor(y / row_height)
    shifted = x + (row % 2) * length / 2 if courses.stagger else x
    column = np.floor(shifted / length)
    blocks = 1 + courses.spread * rng.standard_normal((int(row.max()) + 1, int(column.max()) + 1))
    gain = blocks[row.astype(int), column.astype(int)]
    in_joint = (y % row_height < 1.2) | (shifted % length < 1.2)
    return np.where(in_joint, courses.joint, gain).astype(np.float32)
