"""Colors as OpenCV draws them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Color: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


def adjusted(color: Color, gain: float, offset: float = 0.0) -> Color:
    """Returns ``color * gain + offset``, kept within 0 and 255."""
    red, green, blue = (min(max(int(c * gain + offset), 0), 255) for c in color)
    return red, green, blue


def random_color(rng: np.random.Generator, low: int, high: int) -> Color:
    """Draws a color whose parts lie from ``low`` to just below ``high``."""
    red, green, blue = (int(c) for c in rng.integers(low, high, 3))
    return red, green, blue
