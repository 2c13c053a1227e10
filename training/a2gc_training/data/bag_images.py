"""Images of a recording with the poses they were taken from, taken out once and kept on disk."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from a2gc_ros.bags import Recording, open_recording
from a2gc_ros.bags.pose_table import read_trajectory
from a2gc_ros.errors import BagError, DatasetError
from a2gc_ros.geometry import Pose, distance, rotation_angle, yaw_of
from a2gc_ros.images.frame import Frame
from a2gc_ros.placemap.thumbnails import encode_jpeg
from a2gc_ros.system.progress import progress_over
from a2gc_training.config import require

LIST = "frames.csv"
MEASURED = ("x", "y", "z", "yaw", "field_of_view")
COLUMNS = ("file", "stamp_ns", *MEASURED)
JPEG_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class Taking:
    """What is taken out of a recording.

    Attributes:
        image_topic: The camera; None takes the only one.
        pose_topic: Poses, such as true ones; None takes the best topic there is, mostly odometry.
        metres: An image is taken when the robot has moved this far since the last one,
        degrees: or turned this far.
        longest_side: Longest side of a kept image, pixels.
        field_of_view: Horizontal field of view in degrees where a recording holds no calibration.
        camera_yaw: Degrees by which the camera looks to the left of the pose's x axis; None takes the recorded
            transforms, and straight ahead where there are none.
    """

    image_topic: str | None = None
    pose_topic: str | None = None
    metres: float = 0.5
    degrees: float = 15.0
    longest_side: int = 640
    field_of_view: float | None = None
    camera_yaw: float | None = None

    def __post_init__(self) -> None:
        require(min(self.metres, self.degrees) >= 0, "metres and degrees cannot be negative.")
        require(self.longest_side >= 32, "longest_side must be at least 32.")
        angle = 360 if self.field_of_view is None else self.field_of_view
        require(0 < angle <= 360, "field_of_view is in degrees, above 0 and at most 360.")


def taken_images(bag: Path, taking: Taking, trajectory: Path | None, cache: Path) -> tuple[Path, list[dict[str, str]]]:
    """The images of a recording, taken out now or in an earlier run.

    Args:
        bag: The recording.
        taking: What is taken out of it.
        trajectory: A file of poses in place of a topic.
        cache: Where images are kept. What is there belongs to the files' size and time of change, and to ``taking``;
            another of either is taken out anew.

    Returns:
        The folder of the images, and for each image an entry for every one of `COLUMNS`.

    Raises:
        BagError: The recording or the file of poses cannot be read, or lacks a topic.
        DatasetError: No image has a pose, or nothing tells the field of view.
    """
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{bag.stem}-{_key(bag, taking, trajectory)}"
    # The ranks of a training all ask for them at once.
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            partial = folder.with_name(folder.name + ".part")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _take(bag, taking, trajectory, partial)
            partial.rename(folder)
    with (folder / LIST).open(newline="", encoding="utf-8") as stream:
        return folder, list(csv.DictReader(stream))


def _key(bag: Path, taking: Taking, trajectory: Path | None) -> str:
    if not bag.exists():
        raise BagError(f"there is no recording at {bag}; check the recipe's `bags`")
    files = sorted(path for path in bag.rglob("*") if path.is_file()) if bag.is_dir() else [bag]
    if trajectory is not None and trajectory.is_file():
        files.append(trajectory)
    known = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    # In the order of the folders that are there already.
    options = {"image_topic": None, "pose_topic": None, "trajectory": None if trajectory is None else str(trajectory)}
    options |= {field.name: getattr(taking, field.name) for field in fields(Taking)}
    return hashlib.sha256(json.dumps([known, options]).encode()).hexdigest()[:16]


def _take(bag: Path, taking: Taking, trajectory: Path | None, folder: Path) -> None:
    rows: list[dict[str, Any]] = []
    seen = 0
    last: Pose | None = None
    with open_recording(bag) as recording:
        frames = _frames(recording, taking, trajectory)
        for frame in progress_over(frames, f"Taking images out of {bag.name}", unit="images"):
            seen += 1
            pose = frame.pose
            if pose is None or (last is not None and not _moved(last, pose, taking)):
                continue
            last = pose
            file = f"{frame.stamp_ns}.jpg"
            (folder / file).write_bytes(encode_jpeg(frame.image, taking.longest_side, JPEG_QUALITY))
            values = (file, frame.stamp_ns, *_camera(frame, pose, taking), _field_of_view(bag, frame, taking))
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    if not rows:
        raise DatasetError(
            f"None of the {seen} images of {bag} has a pose; name a topic of poses that covers their stamps in "
            "`pose_topic`, or a file in `trajectories`."
        )
    with (folder / LIST).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _frames(recording: Recording, taking: Taking, trajectory: Path | None) -> Iterator[Frame]:
    poses = None if trajectory is None else read_trajectory(trajectory)
    side = taking.longest_side
    return recording.frames(taking.image_topic, taking.pose_topic, trajectory=poses, max_size=(side, side), workers=2)


def _moved(last: Pose, pose: Pose, taking: Taking) -> bool:
    return distance(last, pose) >= taking.metres or np.degrees(rotation_angle(last, pose)) >= taking.degrees


def _camera(frame: Frame, pose: Pose, taking: Taking) -> tuple[float, ...]:
    """Position in metres and heading of the optical axis in radians: x, y, z, yaw."""
    if taking.camera_yaw is None and frame.t_base_camera is not None:
        camera = pose @ frame.t_base_camera
        return (*camera[:3, 3].tolist(), float(np.arctan2(camera[1, 2], camera[0, 2])))
    return (*pose[:3, 3].tolist(), yaw_of(pose) + float(np.radians(taking.camera_yaw or 0.0)))


def _field_of_view(bag: Path, frame: Frame, taking: Taking) -> float:
    """Horizontal field of view in degrees, without distortion."""
    if taking.field_of_view is not None:
        return taking.field_of_view
    if frame.intrinsics is None:
        raise DatasetError(f"{bag} holds no calibration of its camera; give `field_of_view` in degrees in the recipe.")
    camera = frame.intrinsics
    focal, center = camera.matrix[0, 0], camera.matrix[0, 2]
    return float(np.degrees(np.arctan((center + 0.5) / focal) + np.arctan((camera.width - 0.5 - center) / focal)))
