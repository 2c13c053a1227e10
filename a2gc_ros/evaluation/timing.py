"""How long a model takes for an image."""

from __future__ import annotations

import statistics
import time

import numpy as np

from a2gc_ros.extract.extractor import Extractor

REPEATS = 5


def image_ms(extractor: Extractor) -> float:
    """Median milliseconds for one prepared image, as a robot describes them: one at a time, after one to warm up."""
    size = extractor.spec.preprocessing
    image = np.random.default_rng(0).integers(0, 256, (1, size.height, size.width, 3), np.uint8)
    extractor.run(image)
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        extractor.run(image)
        taken.append(time.perf_counter() - begin)
    return 1000 * statistics.median(taken)
