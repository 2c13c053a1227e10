"""A local feature: corners with what surrounds them, compared by normalized cross-correlation."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.local_features import Detected, LocalFeatureDetector, normalized, one_byte_each

HALF, CELLS = 16, 8
"""Half the side of a patch, pixels, and the cells to a side that it is averaged to."""


class Patches(LocalFeatureDetector):
    """Shi and Tomasi's corners; a descriptor is the gray values around one, without their mean, at length 1."""

    forms = (one_byte_each("patches/1", CELLS * CELLS),)
    ratio = 0.85

    def __init__(self, count: int) -> None:
        self._count = count

    def detect(self, image: npt.NDArray[np.uint8]) -> Detected:
        """Finds the features of an image, RGB, uint8 (H, W, 3)."""
        gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        found = cv2.goodFeaturesToTrack(gray, self._count, 0.005, 5)
        points = np.empty((0, 2)) if found is None else found.reshape(-1, 2).astype(np.float64)
        low, high = HALF, np.array(gray.shape[::-1]) - HALF
        points = points[((points >= low) & (points < high)).all(axis=1)]
        descriptors = np.array([self._describe(gray, x, y) for x, y in points], np.float32).reshape(-1, CELLS * CELLS)
        return Detected(points, np.ones(len(points), np.float32), normalized(descriptors))

    def _describe(self, gray: npt.NDArray[np.uint8], x: float, y: float) -> npt.NDArray[np.float32]:
        patch = cv2.getRectSubPix(gray, (2 * HALF, 2 * HALF), (x, y))
        small = cv2.resize(patch, (CELLS, CELLS), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        return np.asarray(small - small.mean(), np.float32)
