"""A drive along a painted wall, twice."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from a2gc_ros.bags import RecordingWriter
from a2gc_ros.bags.writer import GROUND_TRUTH_TOPIC
from a2gc_ros.geometry import pose_from_xy_yaw

STEPS = 24
START_NS = 1_700_000_000_000_000_000
SETTINGS = {
    "threshold": 0.8,
    "max_false_positive_rate": 0.05,
    "min_time_gap_s": 3.0,
    "min_travel_m": 10.0,
    "keyframe_distance_m": 0.5,
    "min_agreeing": 1,
}


def wall() -> np.ndarray:
    """A wall 24 m long, 40 pixels a metre, that joins its own beginning; uint8 (240, 960, 3)."""
    rng = np.random.default_rng(3)
    image = cv2.resize(rng.integers(0, 256, (6, 24, 3), dtype=np.uint8), (960, 240), interpolation=cv2.INTER_CUBIC)
    for _ in range(900):
        x, y, size = int(rng.integers(0, 960)), int(rng.integers(0, 240)), int(rng.integers(4, 14))
        cv2.rectangle(image, (x, y), (x + size, y + size), [int(c) for c in rng.integers(0, 256, 3)], -1)
    return image


def write_drive(path: Path, truth_topic: str = GROUND_TRUTH_TOPIC) -> None:
    """Two rounds of 24 m, four images a second, one metre between them; odometry drifts, the truth does not."""
    scene = np.concatenate([wall()] * 2, axis=1)
    with RecordingWriter(path) as writer:
        for step in range(2 * STEPS):
            stamp_ns = START_NS + step * 250_000_000
            angle = 2 * np.pi * step / STEPS
            radius = STEPS / (2 * np.pi)
            true = pose_from_xy_yaw(radius * np.cos(angle), radius * np.sin(angle), angle + np.pi / 2)
            drifted = true.copy()
            drifted[0, 3] += 0.01 * step
            at = 40 * (step % STEPS)
            writer.add_odometry(stamp_ns, drifted)
            writer.add_pose(stamp_ns, true, topic=truth_topic)
            writer.add_image(stamp_ns, np.ascontiguousarray(scene[:, at : at + 320]), jpeg_quality=90)
