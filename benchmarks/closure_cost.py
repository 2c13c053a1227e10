"""What loop detection costs a frame, by stage, as the map grows.

    python benchmarks/closure_cost.py [--keyframes 1000 10000 100000]

The robot drives rounds of 1 km; the live map holds so many keyframes of an earlier session, and the live session is the
next round. Descriptors are made up (512 numbers), pictures are left out and `verify` is off: describing an image and
comparing local features cost the same whatever the map holds; `speed.py` measures them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.records import NewKeyframe

DIM = 512
FRAMES = 300
WARM_UP = 20
STAGES = ("search", "calibration", "filter", "agreement", "store", "total")
BLANK = np.zeros((8, 8, 3), np.uint8)


def places(count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Makes descriptors of places in a row that resemble their neighbors, and all others a little."""
    common = rng.normal(size=DIM)
    own = rng.normal(size=(count, DIM)).astype(np.float32)
    smooth = sum(np.roll(own, shift, axis=0) for shift in range(3)) + common.astype(np.float32)
    return np.asarray(smooth / np.linalg.norm(smooth, axis=1, keepdims=True), np.float32)


def measure(keyframes: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Returns median and 95th percentile of each stage, milliseconds."""
    rng = np.random.default_rng(0)
    known = places(keyframes, rng)
    path = folder / f"{keyframes}.a2gc"
    with PlaceMap.create(path, Manifest("f" * 64, DIM)) as place_map:
        session = place_map.add_session("before")
        for begin in range(0, keyframes, 5000):
            some = range(begin, min(begin + 5000, keyframes))
            new = [NewKeyframe(at * 10**9, known[at], pose_from_xy_yaw(float(at), 0, 0), float(at)) for at in some]
            place_map.add_many(session.id, new)
    spent: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with PlaceMap.open(path) as place_map:
        detector = LoopDetector(LoopConfig(verify=False, store_images=False), place_map)
        closures = 0
        for at in range(FRAMES):
            seen = known[at] + 0.3 / DIM**0.5 * rng.normal(size=DIM)
            frame = Frame((keyframes + 1000 + at) * 10**9, BLANK, pose=pose_from_xy_yaw(float(at), 0, 0))
            detection = detector.process(frame, (seen / np.linalg.norm(seen)).astype(np.float32))
            closures += len(detection.closures)
            if at >= WARM_UP:
                for stage in STAGES:
                    spent[stage].append(detection.timings_ms.get(stage, 0.0))
    print(f"{keyframes} keyframes: {closures} closures in {FRAMES} frames", flush=True)
    return {stage: (float(np.median(s)), float(np.quantile(s, 0.95))) for stage, s in spent.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keyframes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    sizes = parser.parse_args().keyframes
    with tempfile.TemporaryDirectory() as folder:
        rows = {size: measure(size, Path(folder)) for size in sizes}
    print("\n| keyframes | " + " | ".join(STAGES) + " |\n|" + "---|" * (len(STAGES) + 1))
    for size, row in rows.items():
        print(f"| {size} | " + " | ".join(f"{row[stage][0]:.2f} / {row[stage][1]:.2f}" for stage in STAGES) + " |")
    print("\nMilliseconds: median / 95th percentile.")


if __name__ == "__main__":
    main()
