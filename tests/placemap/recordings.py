"""A made-up recording and a made-up extractor, light enough to be run many times; also run as a program.

``python recordings.py MAP FRAMES [--poses]`` builds a map and prints a line whenever keyframes are on the disk.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import pose_from_xy_yaw
from a2gc_ros.images.frame import Frame
from a2gc_ros.placemap import BuildPlan, BuildProgress, FeatureBlob, Manifest, MapBuilder, PlaceMap, Spacing

DIM = 24
MOUNTED = pose_from_xy_yaw(0.2, 0.0, 0.1)


@dataclass(frozen=True)
class MadeSpec:
    name: str = "made"
    fingerprint: str = "a" * 64
    descriptor_dim: int = DIM


class MadeExtractor:
    """Describes an image by a fixed random projection of a few of its pixels.

    Like a real runtime it is free to round differently in batches of other sizes: here it does so on purpose.
    """

    spec = MadeSpec()

    def __init__(self, seconds_per_image: float = 0.0) -> None:
        self._matrix = np.random.default_rng(7).standard_normal((DIM, 8 * 8 * 3)).astype(np.float32)
        self._seconds = seconds_per_image
        self.images = 0

    def extract(self, images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        time.sleep(self._seconds * len(images))
        self.images += len(images)
        pixels = np.stack([image[::6, ::6][:8, :8].astype(np.float32).ravel() for image in images]) - 128
        descriptors = pixels @ self._matrix.T
        descriptors += 0.05 * len(images) * np.abs(descriptors).max(axis=1, keepdims=True)
        return descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)


def frames(count: int, *, poses: bool, seconds_per_frame: float = 0.0) -> Iterator[Frame]:
    """Yields frames of a slowly changing scene; the robot moves a quarter of a metre per frame."""
    rng = np.random.default_rng(1)
    scene = rng.integers(0, 255, (48, 48, 3)).astype(np.float64)
    for at in range(count):
        fresh = rng.random(scene.shape) < 0.01 + 0.02 * np.sin(at / 9) ** 2
        scene[fresh] = rng.integers(0, 255, int(fresh.sum()))
        time.sleep(seconds_per_frame)
        pose = pose_from_xy_yaw(0.25 * at + 0.1 * np.sin(at), 0.0, 0.05 * at) if poses else None
        yield Frame(at * 10**8, scene.astype(np.uint8), "camera", None, pose, MOUNTED)


def few_pixels(frame: Frame) -> FeatureBlob:
    """Stands for local features: what is kept must be that frame's."""
    return FeatureBlob("pixels", frame.image[:2, :2].tobytes())


def build(path: Path, count: int, *, poses: bool, seconds: float = 0.0, on_progress: object = None) -> PlaceMap:
    """Builds a map, or goes on with it, and returns it open."""
    extractor = MadeExtractor(seconds)
    if path.exists():
        place_map = PlaceMap.open(path, fingerprint=extractor.spec.fingerprint)
    else:
        place_map = PlaceMap.create(path, Manifest(extractor.spec.fingerprint, DIM))
    builder = MapBuilder(place_map, extractor, BuildPlan(Spacing(similarity=0.97, min_interval_s=0.1), 5, few_pixels))
    builder.build(
        "made",
        frames(count, poses=poses, seconds_per_frame=seconds),
        session_name="made",
        on_progress=on_progress,  # type: ignore[arg-type]
    )
    return place_map


def content(place_map: PlaceMap) -> list[tuple]:
    """Returns everything a build puts into a map, for comparison."""
    return [
        (
            k.id,
            k.session_id,
            k.stamp_ns,
            None if k.pose is None else k.pose.tobytes(),
            k.path_length,
            place_map.descriptors([k.id]).tobytes(),
            place_map.image(k.id),
            None if k.t_base_camera is None else k.t_base_camera.tobytes(),
            place_map.features(k.id),
        )
        for k in place_map.keyframes()
    ]


def _report(progress: BuildProgress) -> None:
    print(f"stored {progress.keyframes}", flush=True)


if __name__ == "__main__":
    print("begun", flush=True)
    with build(Path(sys.argv[1]), int(sys.argv[2]), poses="--poses" in sys.argv, seconds=0.002, on_progress=_report):
        print("finished", flush=True)
