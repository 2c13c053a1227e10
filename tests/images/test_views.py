"""Random views: of the image's size, reproducible, and of the same place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a2gc_ros.images.views import random_view


@pytest.mark.parametrize("shape", [(48, 64, 3), (30, 90, 3)])
def test_a_view_keeps_the_size_and_follows_the_generator(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    first, again, other = (random_view(image, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_view_shows_the_same_scene() -> None:
    cells = np.random.default_rng(2).integers(0, 256, (6, 8, 3), np.uint8)
    image = np.asarray(cv2.resize(cells, (320, 240)), dtype=np.uint8)
    rng = np.random.default_rng(0)
    likeness = []
    for _ in range(20):
        gray = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (image, random_view(image, rng))]
        patch = np.asarray(gray[1])[90:150, 120:200]
        likeness.append(cv2.matchTemplate(gray[0], patch, cv2.TM_CCOEFF_NORMED).max())
    assert np.median(likeness) > 0.8
