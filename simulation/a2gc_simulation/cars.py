"""Cars: an outline swept over the width, and the picture that is wrapped round it.

The picture has two halves. The upper one is the side, front to the right. The lower one is the strip that runs from
the front bumper over bonnet, windscreen and roof down to the rear bumper, front at the left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from a2gc_simulation.noise import Image
from a2gc_simulation.shapes import Mesh, join, polygon

PAINTS: tuple[tuple[float, float, float], ...] = (
    (0.75, 0.10, 0.10), (0.12, 0.24, 0.55), (0.92, 0.92, 0.90), (0.16, 0.17, 0.19), (0.62, 0.64, 0.66),
    (0.10, 0.38, 0.30), (0.88, 0.68, 0.12), (0.48, 0.30, 0.20), (0.45, 0.66, 0.80),
)  # fmt: skip
GLASS = (40, 48, 58)


@dataclass(frozen=True)
class CarModel:
    """The shape of a car.

    Args:
        name: Of the model.
        outline: Upper contour as (x, z) in metres, from the rear bumper to the front bumper.
        belt: Height of the lower edge of the side windows, metres.
        cabin: The x range of the side windows.
        width: Metres.
    """

    name: str
    outline: tuple[tuple[float, float], ...]
    belt: float
    cabin: tuple[float, float]
    width: float = 1.76

    @property
    def length(self) -> float:
        """Metres."""
        return self.outline[-1][0] - self.outline[0][0]

    @property
    def height(self) -> float:
        """Metres."""
        return max(z for _, z in self.outline)


CAR_MODELS = (
    CarModel(
        "saloon",
        ((-2.2, 0.45), (-2.18, 0.95), (-1.5, 1.0), (-0.95, 1.42), (0.35, 1.44), (1.05, 0.98), (2.1, 0.8), (2.2, 0.45)),
        0.95,
        (-1.3, 0.85),
    ),
    CarModel(
        "hatchback",
        ((-1.9, 0.45), (-1.9, 1.0), (-1.55, 1.45), (0.4, 1.5), (1.05, 1.02), (1.85, 0.86), (1.92, 0.45)),
        0.98,
        (-1.6, 0.85),
    ),
    CarModel(
        "van",
        ((-2.4, 0.45), (-2.4, 1.9), (-2.2, 2.05), (1.2, 2.05), (1.85, 1.25), (2.3, 1.05), (2.4, 0.45)),
        1.2,
        (0.3, 1.5),
        1.95,
    ),
)
_FLOOR = 0.24
_INSET = 0.16


def _lean(z: float, model: CarModel) -> float:
    """How far the side leans inwards at a height, metres."""
    return max(z - model.belt, 0.0) / max(model.height - model.belt, 1e-6) * _INSET


def car_mesh(model: CarModel) -> Mesh:
    """Builds the body without wheels; x points forward, the origin is on the ground in the middle."""
    outline = np.array(model.outline)
    xs = np.unique(np.concatenate([outline[:, 0], np.linspace(outline[0, 0], outline[-1, 0], 9)]))
    tops = np.interp(xs, outline[:, 0], outline[:, 1])
    half, x0 = model.width / 2, outline[0, 0]

    def side_uv(x: float, z: float) -> list[float]:
        return [(x - x0) / model.length, 0.5 * (1 - (z - _FLOOR) / (model.height - _FLOOR))]

    parts = []
    for a, b, top_a, top_b in zip(xs[:-1], xs[1:], tops[:-1], tops[1:], strict=True):
        for low_a, low_b, high_a, high_b in (
            (_FLOOR, _FLOOR, min(top_a, model.belt), min(top_b, model.belt)),
            (min(top_a, model.belt), min(top_b, model.belt), top_a, top_b),
        ):
            if high_a - low_a < 1e-6 and high_b - low_b < 1e-6:
                continue
            ring = [(a, low_a), (b, low_b), (b, high_b), (a, high_a)]
            uv = [side_uv(x, z) for x, z in ring]
            right = [[x, -(half - _lean(z, model)), z] for x, z in ring]
            left = [[x, half - _lean(z, model), z] for x, z in ring]
            parts += [polygon(right, uv), polygon(left[::-1], uv[::-1])]
    strip = np.array([(outline[0, 0], _FLOOR), *model.outline, (outline[-1, 0], _FLOOR)])[::-1]
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(strip, axis=0), axis=1))])
    along /= along[-1]
    for (xa, za), (xb, zb), ua, ub in zip(strip[:-1], strip[1:], along[:-1], along[1:], strict=True):
        ya, yb = half - _lean(za, model), half - _lean(zb, model)
        corners = [[xa, -ya, za], [xa, ya, za], [xb, yb, zb], [xb, -yb, zb]]
        parts.append(polygon(corners, [[ua, 1.0], [ua, 0.5], [ub, 0.5], [ub, 1.0]]))
    return join(*parts)


def paint_car(model: CarModel) -> Image:
    """Paints a white car's picture, uint8 RGB; the paint comes from the color of the surface."""
    side = _paint_side(model, 96)
    strip = _paint_strip(model, side.shape[1], side.shape[0])
    return np.vstack([side, strip])


def _paint_side(model: CarModel, scale: int) -> Image:
    h, w = round((model.height - _FLOOR) * scale), round(model.length * scale)
    image = np.full((h, w, 3), 232, np.uint8)
    x0 = model.outline[0][0]
    outline = np.array(model.outline)

    def at(x: float, z: float) -> tuple[int, int]:
        return round((x - x0) * scale), round(h - (z - _FLOOR) * scale)

    image[round(h - 0.2 * scale) :] = (120, 120, 120)
    back, front = model.cabin
    xs = np.linspace(back, front, 24)
    tops = np.interp(xs, outline[:, 0], outline[:, 1]) - 0.1
    window = [at(x, max(z, model.belt + 0.03)) for x, z in zip(xs, tops, strict=True)]
    window += [at(front, model.belt + 0.03), at(back, model.belt + 0.03)]
    cv2.fillPoly(image, [np.array(window)], GLASS, cv2.LINE_AA)
    middle = (back + front) / 2
    cv2.line(image, at(middle, model.height), at(middle, model.belt), (40, 40, 42), scale // 12)
    for x in (back + 0.1, middle, front - 0.05):
        cv2.line(image, at(x, model.belt), at(x - 0.05, 0.42), (150, 150, 150), 2, cv2.LINE_AA)
    for x in (middle - 0.18, middle + 0.75):
        cv2.rectangle(image, at(x - 0.2, model.belt - 0.1), at(x, model.belt - 0.15), (90, 90, 90), -1)
    cv2.line(image, at(x0, 0.66), at(x0 + model.length, 0.66), (196, 196, 196), 2, cv2.LINE_AA)
    for x in wheel_positions(model):
        cv2.circle(image, at(x, 0.33), round(0.39 * scale), (22, 22, 22), -1, cv2.LINE_AA)
    cv2.rectangle(image, at(x0 + model.length - 0.28, 0.78), at(x0 + model.length, 0.62), (250, 250, 225), -1)
    cv2.rectangle(image, at(x0, 0.86), at(x0 + 0.16, 0.66), (190, 30, 30), -1)
    return image


def _paint_strip(model: CarModel, w: int, h: int) -> Image:
    image = np.full((h, w, 3), 226, np.uint8)
    outline = np.array([(model.outline[0][0], _FLOOR), *model.outline, (model.outline[-1][0], _FLOOR)])[::-1]
    lengths = np.linalg.norm(np.diff(outline, axis=0), axis=1)
    edges = np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum() * w
    rises = np.diff(outline[:, 1])
    for k in range(len(lengths)):
        x0, x1 = round(edges[k]), round(edges[k + 1])
        steep = abs(rises[k]) / lengths[k] > 0.4
        high = max(outline[k, 1], outline[k + 1, 1]) > model.belt + 0.15
        if steep and high and min(outline[k, 1], outline[k + 1, 1]) > 0.7:
            cv2.rectangle(image, (x0 + 3, h // 12), (x1 - 3, h - h // 12), GLASS, -1)
    front, rear = round(edges[2]), round(edges[-3])
    for x0, x1, lamp in ((0, front, (250, 250, 225)), (rear, w, (186, 28, 28))):
        cv2.rectangle(image, (x0, 0), (x1, h), (214, 214, 214), -1)
        for y in (0, h - h // 5):
            cv2.rectangle(image, (x0 + (x1 - x0) // 3, y), (x1 - 4, y + h // 5), lamp, -1)
        middle = (x0 + x1) // 2
        cv2.rectangle(image, (middle - 4, h * 2 // 5), (middle + 6, h * 3 // 5), (240, 240, 235), -1)
    cv2.rectangle(image, (front // 3, h // 4), (front * 2 // 3, h * 3 // 4), (50, 50, 52), -1)
    return image


def wheel_positions(model: CarModel) -> tuple[float, float]:
    """Where the rear and front axles are, x in metres."""
    return model.outline[0][0] + 0.8, model.outline[-1][0] - 0.85
