"""Pictures of what lies underfoot and overhead: carriageways, crossings, paving, grass, tiles, leaves, sky."""

from __future__ import annotations

import cv2
import numpy as np

from a2gc_simulation.colors import Color, adjusted, random_color
from a2gc_simulation.lettering import SIGN_COLORS, write_centered
from a2gc_simulation.noise import Image, shade, smooth_noise, tileable

PAINT = (214, 212, 204)


def _asphalt(h: int, w: int, scale: int, rng: np.random.Generator) -> Image:
    gain = 1 + 0.05 * smooth_noise((h, w), rng, coarsest=3.0 * scale, octaves=3)
    gain += 0.025 * rng.standard_normal((h, w)).astype(np.float32)
    image = shade(np.full((h, w, 3), (88, 88, 92), np.uint8), gain.astype(np.float32))
    for _ in range(max(h * w // (5 * scale) ** 2, 1)):  # mended places
        x, y = int(rng.integers(w)), int(rng.integers(h))
        size = rng.integers(scale // 2, 2 * scale, 2)
        patch = image[y : y + size[1], x : x + size[0]]
        patch[:] = np.clip(patch * rng.choice([0.72, 0.84, 1.16]), 0, 255).astype(np.uint8)
    for _ in range(max(h * w // (4 * scale) ** 2, 1)):  # cracks
        steps = rng.normal(0, 0.18 * scale, (14, 2)) + rng.normal(0, 0.16 * scale, 2)
        points = rng.uniform(0, (w, h)) + np.cumsum(steps, axis=0)
        cv2.polylines(image, [points.astype(np.int32)], False, (52, 52, 54), max(scale // 28, 1), cv2.LINE_AA)
    return image


def _manhole(image: Image, x: int, y: int, scale: int) -> None:
    cv2.circle(image, (x, y), round(0.36 * scale), (62, 60, 58), -1, cv2.LINE_AA)
    cv2.circle(image, (x, y), round(0.30 * scale), (104, 100, 94), max(scale // 24, 1), cv2.LINE_AA)
    for k in range(-2, 3):
        cv2.line(image, (x - scale // 5, y + k * scale // 10), (x + scale // 5, y + k * scale // 10), (112, 106, 98), 1)


def paint_street(length: float, width: float, scale: int, rng: np.random.Generator, zebras: tuple[bool, bool]) -> Image:
    """Paints a carriageway between two crossings; it runs from left to right.

    Args:
        length: Metres from crossing to crossing.
        width: Metres from kerb to kerb.
        scale: Texels per metre.
        rng: Source of randomness.
        zebras: Whether a zebra crossing lies at the left and at the right end.

    Returns:
        uint8 RGB of (width, length) x ``scale``.
    """
    h, w = round(width * scale), round(length * scale)
    image = _asphalt(h, w, scale, rng)
    dash, gap = round(1.8 * scale), round(2.2 * scale)
    line = max(round(0.13 * scale), 2)
    for x in range(round(3.4 * scale), w - round(3.4 * scale), dash + gap):
        cv2.rectangle(image, (x, h // 2 - line // 2), (x + dash, h // 2 + line // 2), PAINT, -1)
    for y in (round(2.1 * scale), h - round(2.1 * scale)):
        cv2.line(image, (round(3.4 * scale), y), (w - round(3.4 * scale), y), PAINT, max(line * 2 // 3, 1))
    for left, wanted in zip((True, False), zebras, strict=True):
        x0 = round(0.5 * scale) if left else w - round(2.7 * scale)
        if wanted:
            for y in range(round(0.4 * scale), h - round(0.3 * scale), round(0.95 * scale)):
                cv2.rectangle(image, (x0, y), (x0 + round(2.2 * scale), y + round(0.5 * scale)), PAINT, -1)
        else:  # a stop line across the lane that leads to the crossing
            half = (h // 2, h) if not left else (0, h // 2)
            x = x0 + round(1.8 * scale) if not left else x0 + round(0.2 * scale)
            cv2.rectangle(image, (x, half[0]), (x + round(0.35 * scale), half[1]), PAINT, -1)
    for _ in range(2):
        _manhole(image, int(rng.uniform(0.2, 0.8) * w), int(rng.uniform(0.25, 0.75) * h), scale)
    worn = np.clip(smooth_noise((h, w), rng, coarsest=0.7 * scale, octaves=5), 0, 2.5)
    return shade(image, (1 - 0.10 * worn).astype(np.float32))


def paint_crossing(width: float, scale: int, rng: np.random.Generator) -> Image:
    """Paints the square where streets meet, uint8 RGB of (width, width) metres x ``scale``."""
    size = round(width * scale)
    image = _asphalt(size, size, scale, rng)
    _manhole(image, int(rng.uniform(0.3, 0.7) * size), int(rng.uniform(0.3, 0.7) * size), scale)
    return image


def paint_paving(metres: float, scale: int, rng: np.random.Generator) -> Image:
    """Paints pavement slabs that tile, uint8 RGB of (metres, metres) x ``scale``."""
    size = round(metres * scale)
    slab = size / round(metres / 0.5)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    cells = int(size / slab) + 2
    tone = 1 + 0.06 * rng.standard_normal((cells, cells)).astype(np.float32)
    gain = tone[(y / slab).astype(int), (x / slab).astype(int)]
    gain = np.where((y % slab < 1.5) | (x % slab < 1.5), 0.62, gain)
    gain = gain + 0.04 * smooth_noise((size, size), rng, coarsest=6.0, octaves=3)
    return shade(np.full((size, size, 3), (164, 158, 150), np.uint8), gain.astype(np.float32))


def paint_grass(size: int, rng: np.random.Generator) -> Image:
    """Paints a lawn that tiles, uint8 RGB of about (size, size)."""
    gain = 1 + 0.14 * smooth_noise((size, size), rng, coarsest=size / 3, octaves=3)
    gain += 0.2 * smooth_noise((size, size), rng, coarsest=4.0, octaves=2)
    return tileable(shade(np.full((size, size, 3), (84, 112, 52), np.uint8), gain.astype(np.float32)), size // 8)


def paint_tiles(size: int, rng: np.random.Generator) -> Image:
    """Paints gray roof tiles, uint8 RGB (size, size) of sixteen rows; tinted where they are used."""
    row = size / 16
    y, x = np.mgrid[:size, :size].astype(np.float32)
    shifted = x + (np.floor(y / row) % 2) * row / 2
    tone = 1 + 0.1 * rng.standard_normal((18, 18)).astype(np.float32)
    gain = tone[(y / row).astype(int), (shifted / row).astype(int) % 18]
    gain *= 0.8 + 0.3 * (y % row) / row
    gain = np.where((shifted % row < 1.5) | (y % row > row - 2), 0.55, gain)
    return shade(np.full((size, size, 3), (196, 194, 190), np.uint8), gain.astype(np.float32))


def paint_leaves(size: int, rng: np.random.Generator, color: Color) -> Image:
    """Paints foliage, uint8 RGB (size, size): thousands of leaves, the later ones lighter."""
    image = np.full((size, size, 3), adjusted(color, 0.25), np.uint8)
    count = size * size // 14
    for k, (x, y) in enumerate(rng.integers(0, size, (count, 2))):
        light = 0.45 + 0.75 * k / count + rng.normal(0, 0.12)
        tone = adjusted(color, light, rng.normal(0, 8))
        axes = (int(rng.integers(3, 7)), int(rng.integers(2, 4)))
        cv2.ellipse(image, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, tone, -1)
    return image


def paint_bark(size: int, rng: np.random.Generator) -> Image:
    """Paints bark, uint8 RGB (size, size)."""
    field = smooth_noise((size, size), rng, coarsest=8.0, octaves=3)
    streaks = cv2.resize(field[: size // 8], (size, size), interpolation=cv2.INTER_LINEAR)
    return shade(np.full((size, size, 3), (98, 80, 62), np.uint8), (1 + 0.25 * streaks).astype(np.float32))


def paint_poster(width: int, height: int, rng: np.random.Generator) -> Image:
    """Paints an advertisement of colored shapes and a word, uint8 RGB (height, width)."""
    ground, ink = SIGN_COLORS[int(rng.integers(len(SIGN_COLORS)))]
    image = np.full((height, width, 3), ground, np.uint8)
    for _ in range(int(rng.integers(4, 9))):
        color = random_color(rng, 30, 250)
        center = (int(rng.integers(width)), int(rng.integers(height * 3 // 4)))
        radius = int(rng.integers(height // 12, height // 3))
        kind = rng.random()
        if kind < 0.4:
            cv2.circle(image, center, radius, color, -1, cv2.LINE_AA)
        elif kind < 0.7:
            corner = (center[0] + radius, center[1] + int(rng.integers(radius // 2, 2 * radius)))
            cv2.rectangle(image, center, corner, color, -1)
        else:
            offsets = rng.integers(-radius, radius + 1, (3, 2))
            cv2.fillPoly(image, [np.asarray(center + offsets, np.int32)], color, cv2.LINE_AA)
    words = ("CIRCUS", "MUSEUM", "VOTE 7", "JAZZ", "OPERA", "SUMMER", "COFFEE", "EXPO", "MARATHON", "TRAMS", "ZOO")
    band = slice(height * 3 // 4, height)
    image[band] = ground
    image[band] = write_centered(image[band], words[int(rng.integers(len(words)))], ink, int(rng.integers(3)))
    cv2.rectangle(image, (0, 0), (width - 1, height - 1), (60, 60, 62), max(height // 40, 2))
    return image
