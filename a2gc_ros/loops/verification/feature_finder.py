"""The local features of frames and of kept images."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.decode import decode_compressed
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.local_features import FEATURES, LocalFeatureDetector
from a2gc_ros.loops.verification.feature_coding import encode
from a2gc_ros.loops.verification.features import LocalFeatures, inverse_depths
from a2gc_ros.placemap import FeatureBlob
from a2gc_ros.placemap.thumbnails import LONGEST_SIDE, shrink

LEAST_DETECTION_SIDE: Final = 360
DETECTION_SCALE: Final = 0.7
"""Features are found in an image of this share of the kept one's size, but for small ones: SIFT takes half the time,
and on six recordings with ground truth recall stayed what it was. At half the size an office lost nine tenths of it."""


class FeatureFinder:
    """Finds local features; several threads may ask at once.

    Args:
        kind: Key of `FEATURES`.
        count: At most so many per image, the strongest.

    Raises:
        ConfigError: The kind is one of an installed package that cannot be loaded.
    """

    def __init__(self, kind: str, count: int) -> None:
        self.kind = kind
        self._make, self._count = FEATURES[kind], count
        self._of_thread = threading.local()

    def find(self, frame: Frame) -> LocalFeatures:
        """Returns the features of a frame."""
        return self.extract(for_detection(frame.image), frame.depth)

    def find_encoded(self, frame: Frame) -> FeatureBlob:
        """Returns the features of a frame as a map keeps them."""
        return encode(self.find(frame), self.kind)

    def of_jpeg(self, jpeg: bytes) -> LocalFeatures:
        """Returns the features of a kept image.

        Raises:
            ImageError: If it is damaged.
        """
        return self.extract(for_detection(decode_compressed(jpeg)))

    def extract(self, image: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32] | None = None) -> LocalFeatures:
        """Finds the features of an image at the size that it has.

        Args:
            image: RGB, uint8 (H, W, 3).
            depth: Metres along the optical axis, float32 (H', W'), of the same view at any size; zero or NaN where
                unknown.
        """
        height, width = image.shape[:2]
        points, spreads, descriptors = self._detector().detect(image)
        inverse = None if depth is None or not len(points) else inverse_depths(depth, points, width, height)
        return LocalFeatures(points, descriptors, width, height, spreads, inverse)

    def _detector(self) -> LocalFeatureDetector:
        """Returns this thread's own detector: OpenCV promises nothing about two threads in one."""
        if not hasattr(self._of_thread, "detector"):
            self._of_thread.detector = self._make(self._count)
        detector: LocalFeatureDetector = self._of_thread.detector
        return detector


def for_detection(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns an image, (H, W, 3), at the size at which features are found: a frame, or its kept image, alike."""
    longest = min(max(image.shape[:2]), LONGEST_SIDE)
    return shrink(image, max(min(longest, LEAST_DETECTION_SIDE), round(DETECTION_SCALE * longest)))
