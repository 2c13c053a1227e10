"""How well descriptors find other images of the same place among all images of a set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def nearest_other(descriptors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index (N,) of the most similar other image for each of the L2-normalised descriptors (N, D), N at least two."""
    similarities = descriptors @ descriptors.T
    np.fill_diagonal(similarities, -np.inf)
    return similarities.argmax(axis=1)


def recall_at_1(descriptors: NDArray[np.float32], places: Sequence[str]) -> float | None:
    """Share of images whose nearest other image shows the same place.

    Args:
        descriptors: (N, D), L2-normalised.
        places: What each of the N images shows.

    Returns:
        The share among the images that have another image of their place; None where there is no such image.
    """
    counts = Counter(places)
    names = np.array(places)
    shared = np.array([counts[place] > 1 for place in places])
    if not shared.any():
        return None
    found = names[nearest_other(descriptors)] == names
    return float(found[shared].mean())
