"""Signs: their colors, and writing on them."""

from __future__ import annotations

import cv2
import numpy as np

from a2gc_simulation.colors import Color
from a2gc_simulation.noise import Image

SIGN_COLORS: tuple[tuple[Color, Color], ...] = (
    ((24, 60, 110), (250, 244, 220)),
    ((130, 24, 30), (255, 236, 170)),
    ((20, 84, 56), (244, 240, 226)),
    ((30, 30, 34), (236, 190, 80)),
    ((232, 190, 40), (40, 30, 30)),
    ((236, 234, 228), (160, 30, 40)),
    ((92, 40, 110), (250, 240, 250)),
    ((228, 110, 36), (255, 255, 250)),
)
FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SIMPLEX)


def write_centered(image: Image, text: str, ink: Color, font: int = 0) -> Image:
    """Returns a copy of an image with one line of text written as large as fits, in the middle."""
    h, w = image.shape[:2]
    face = FONTS[font % len(FONTS)]
    (text_width, text_height), _ = cv2.getTextSize(text, face, 1.0, 2)
    size = 0.86 * min(w / text_width, h / (text_height * 1.15))
    thickness = max(1, round(size * 2.4))
    (text_width, text_height), _ = cv2.getTextSize(text, face, size, thickness)
    canvas = np.array(image, order="C")
    cv2.putText(canvas, text, ((w - text_width) // 2, (h + text_height) // 2), face, size, ink, thickness, cv2.LINE_AA)
    return canvas
