"""A camera among landmarks, from starts that are far off."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a2gc_ros.loops.verification.absolute_pose import locate
from a2gc_ros.loops.verification.landmarks import Landmarks


def landmarks_around(rng: np.random.Generator, count: int = 40) -> Landmarks:
    spread = np.array([1e-3, 1e-3, 1.0])
    return Landmarks(
        rays=rng.uniform(-0.5, 0.5, (count, 2)),
        inverse_depths=rng.uniform(0.05, 0.3, count),
        covariances=np.tile(np.diag(spread**2), (count, 1, 1)),
        known=np.ones(count, dtype=bool),
        groups=np.full(count, -1),
        by_motion=np.zeros((count, 6)),
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_start_beside_a_landmark_does_no_harm(seed: int) -> None:
    """There its projection runs to infinity."""
    rng = np.random.default_rng(seed)
    landmarks = landmarks_around(rng)
    start = np.eye(4)
    start[:3, :3] = cv2.Rodrigues(rng.normal(0, 0.3, 3))[0]
    # A landmark m with inverse depth d comes to lie in the plane of the camera: the third row of R^T (m - d t) is zero.
    seen, inverse = np.append(landmarks.rays[0], 1.0), landmarks.inverse_depths[0]
    sideways = seen - (seen @ start[:3, 2] - 1e-5) * start[:3, 2]
    start[:3, 3] = (seen - sideways) / inverse
    assert locate(landmarks, landmarks.rays, np.full(len(landmarks.rays), 2e-3), [start, np.eye(4)])
