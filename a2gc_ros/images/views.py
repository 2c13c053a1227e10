"""Random views of an image: the camera a little elsewhere, the light another. With OpenCV alone, so also on a robot."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

TURN_DEG = 12.0
"""Largest yaw; pitch and roll turn by half of it at most."""

CROP = 0.4
"""Largest share of the width and height that is cut off."""

FOCAL = 0.65
"""Focal length over width of the camera that turns, as of 75 degrees across."""

GAMMA = 2.0
"""Largest exponent of the intensities, and the inverse of the smallest."""

GAIN = 0.35
"""Largest change of a brightness factor; a color channel changes by a third of it."""

GRAY_SHARE, BLUR_SHARE, NOISE = 0.3, 0.3, 6.0
"""Share of views without color, of blurred ones, and largest deviation of the noise, of 255."""


def random_view(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another view of the place in an RGB image, uint8 (H, W, 3), of the same size.

    The camera turns about its center and zooms in, then exposure, color, sharpness and noise change.
    """
    return _appearance(_turned(image, rng), rng)


def _turned(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    focal = FOCAL * width
    camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    angles = np.radians(TURN_DEG) * rng.uniform(-1, 1, 3) * (0.5, 1, 0.5)
    turn = cv2.Rodrigues(angles)[0]
    zoom = np.diag([*[1 / (1 - rng.uniform(0, CROP))] * 2, 1.0])
    warp = camera @ zoom @ turn @ np.linalg.inv(camera)
    moved = cv2.warpPerspective(image, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.uint8)


def _appearance(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    gamma = math.exp(math.log(GAMMA) * rng.uniform(-1, 1))
    gains = (1 + GAIN * rng.uniform(-1, 1)) * (1 + GAIN / 3 * rng.uniform(-1, 1, 3))
    curve = np.linspace(0, 1, 256)[:, None] ** gamma * gains * 255
    changed = cv2.LUT(image, np.clip(curve, 0, 255).astype(np.uint8)[:, None])
    if rng.random() < GRAY_SHARE:
        changed = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < BLUR_SHARE:
        changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.5, 2.0))
    noise = rng.uniform(0, NOISE) * rng.standard_normal(changed.shape, np.float32)
    return np.clip(changed + noise, 0, 255).astype(np.uint8)
