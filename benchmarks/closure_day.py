"""A long day on one round: memory, cost and closures as the live session grows, on a simulated clock.

    python benchmarks/closure_day.py [--hours 24] [--round 1000]

The robot drives a round of 1 km at 1 m/s, a keyframe a metre, with odometry that drifts by 1 % of the way, and stands
for a twenty-fourth of the time in the middle. Descriptors are made up (512 numbers); pictures are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.placemap import Manifest, PlaceMap

DIM = 512
BLANK = np.zeros((8, 8, 3), np.uint8)
RIGHT_M = 15.0
DRIFT = 0.01


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def main() -> None:
    """Prints a row for every eighth of the day."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--round", type=int, default=1000, help="metres")
    arguments = parser.parse_args()
    seconds, length = int(arguments.hours * 3600), arguments.round
    rng = np.random.default_rng(0)
    own = rng.normal(size=(length, DIM))
    scenes = sum(np.roll(own, shift, axis=0) for shift in range(3)) + rng.normal(size=DIM)
    scenes /= np.linalg.norm(scenes, axis=1, keepdims=True)
    radius = length / (2 * np.pi)
    way, false, closures, spent = 0, 0, 0, []
    where: list[int] = [0]
    print("| hours | keyframes | closures | false | ms, median / 95 % | resident MB |\n|---|---|---|---|---|---|")
    with PlaceMap.create(":memory:", Manifest("f" * 64, DIM)) as place_map:
        detector = LoopDetector(LoopConfig(verify=False, store_images=False), place_map)
        for second in range(seconds):
            way += not 0 <= second - seconds // 2 < seconds // 24
            angle = 2 * np.pi * way / length
            pose = pose_from_xy_yaw(radius * np.cos(angle) + DRIFT * way, radius * np.sin(angle), angle)
            seen = scenes[way % length] + 0.4 / DIM**0.5 * rng.normal(size=DIM)
            frame = Frame(second * 10**9, BLANK, pose=pose)
            detection = detector.process(frame, (seen / np.linalg.norm(seen)).astype(np.float32))
            spent.append(detection.timings_ms["total"])
            if detection.keyframe_id is not None:
                where.append(way % length)
            for closure in detection.closures:
                apart = abs(where[closure.query_keyframe_id or 0] - where[closure.match.keyframe_id])
                closures += 1
                false += min(apart, length - apart) > RIGHT_M
            if (second + 1) % (seconds // 8) == 0:
                median, high = np.quantile(spent, [0.5, 0.95])
                hours = (second + 1) / 3600
                print(
                    f"| {hours:.1f} | {len(where) - 1} | {closures} | {false} | {median:.1f} / {high:.1f} "
                    f"| {resident_mb():.0f} |",
                    flush=True,
                )
                spent.clear()


if __name__ == "__main__":
    main()
