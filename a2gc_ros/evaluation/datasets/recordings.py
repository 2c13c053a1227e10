"""A pair of recordings: one run maps, the other asks. Or one run that meets itself again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.bags import Recording, Trajectory, open_recording
from a2gc_ros.bags.pose_table import read_trajectory
from a2gc_ros.bags.topics import pose_topic
from a2gc_ros.errors import BagError, DatasetError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.ground_truth import PastTruth, RadiusTruth, Truth

_TRUTH_WORDS = ("ground_truth", "groundtruth", "true_pose")
_SMALLEST = (1, 1)
"""Decoding at the least scale is enough to learn when images were taken."""

GROUP_S = 10.0
"""Images of the same ten seconds resemble each other; intervals draw them together."""


@dataclass(frozen=True)
class RunOptions:
    """How a recording is read.

    Attributes:
        topic: Image topic; None takes the only one.
        truth: Topic of true poses, or a TUM, KITTI or CSV file; None takes a topic whose name speaks of ground truth,
            else the odometry.
        spacing_m: Images nearer than this to the one kept before are left out; 0 keeps all.
    """

    topic: str | None = None
    truth: str | None = None
    spacing_m: float = 1.0


@dataclass(frozen=True)
class Pairing:
    """When two images of runs show the same place.

    Attributes:
        metres: Largest distance that is right.
        degrees: Largest difference of headings that is right.
        min_gap_s: Within one run, images less than this in the past are not searched.
    """

    metres: float = 15.0
    degrees: float = 45.0
    min_gap_s: float = 20.0


class RecordingImages:
    """Images of a recording whose pose is known, some distance apart; of one stamp the first, and none that come late.

    Args:
        path: The recording.
        options: How it is read.

    Attributes:
        poses: float64 (N, 3), x and y in metres, heading in radians.
        stamps_ns: int64 (N,), ascending.
        poses_from: Where the poses come from, for people.
    """

    def __init__(self, path: Path, options: RunOptions) -> None:
        self.name = path.name
        self.origin = f"{path.resolve()} {options.topic or ''}"
        self._path, self._topic = path, options.topic
        stamps: list[int] = []
        poses = []
        with open_recording(path) as recording:
            trajectory, self.poses_from = _poses_of(recording, options.truth)
            last = np.full(2, np.inf)
            for frame in recording.frames(options.topic, trajectory=trajectory, max_size=_SMALLEST):
                # A row is found again by its stamp, and stamps tell what lies in the past.
                if frame.pose is None or (stamps and frame.stamp_ns <= stamps[-1]):
                    continue
                here = frame.pose[:2, 3]
                if np.hypot(*(here - last)) >= options.spacing_m or not np.isfinite(last).all():
                    last = here
                    stamps.append(frame.stamp_ns)
                    poses.append((*here, np.arctan2(frame.pose[1, 0], frame.pose[0, 0])))
        if not stamps:
            raise DatasetError(f"{path} has no image with a known pose; name the poses with --truth.")
        self.stamps_ns = np.array(stamps, np.int64)
        self.poses = np.array(poses, np.float64)
        self.names = [str(stamp) for stamp in stamps]

    def marks(self) -> NDArray[np.int64]:
        """The size of the recording, the same for every image: another recording of the same name is another."""
        files = [self._path] if self._path.is_file() else [p for p in self._path.rglob("*") if p.is_file()]
        return np.full(len(self.names), sum(file.stat().st_size for file in files), np.int64)

    def read(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yields images in one pass over the recording."""
        wanted = set(self.stamps_ns[rows].tolist())
        if not wanted:
            return
        with open_recording(self._path) as recording:
            for frame in recording.frames(self._topic, pose_topic="", info_topic=""):
                if frame.stamp_ns in wanted:
                    wanted.remove(frame.stamp_ns)
                    yield frame.image


def open_recordings(
    database: tuple[Path, RunOptions], queries: tuple[Path, RunOptions], pairing: Pairing, *, name: str
) -> Dataset:
    """Makes a data set of two recordings, or of one that is given twice: then every image is asked against the past.

    Raises:
        DatasetError: No image has a pose.
        BagError: A recording, a topic or a file of poses cannot be used.
    """
    alone = database == queries
    searched = RecordingImages(*database)
    asked = searched if alone else RecordingImages(*queries)
    truth: Truth = RadiusTruth(
        asked.poses[:, :2],
        searched.poses[:, :2],
        pairing.metres,
        (asked.poses[:, 2], searched.poses[:, 2]),
        pairing.degrees,
    )
    ignored = None
    if alone:
        latest = asked.stamps_ns - round(pairing.min_gap_s * 1e9)
        admitted = np.searchsorted(searched.stamps_ns, latest, side="right").astype(np.int64)
        ignored = [np.arange(first, len(searched.names), dtype=np.int64) for first in admitted]
        truth = PastTruth(truth, admitted)
    within = f"within {pairing.metres:g} m, headings within {pairing.degrees:g}°"
    past = f", at least {pairing.min_gap_s:g} s in the past" if alone else ""
    return Dataset(
        name=name,
        protocol=f"{within}{past}, by {searched.poses_from}; every query counts, those without a right image as misses",
        layout="one recording" if alone else "two recordings",
        database=Subset(searched),
        queries=Subset(asked),
        truth=truth,
        ignored=ignored,
        groups=((asked.stamps_ns - asked.stamps_ns[0]) // round(GROUP_S * 1e9)).astype(np.int64),
    )


def _poses_of(recording: Recording, wanted: str | None) -> tuple[Trajectory, str]:
    """Poses and, for people, where they come from."""
    if wanted and Path(wanted).is_file():
        return read_trajectory(Path(wanted)), f"the poses in {Path(wanted).name}"
    names = [topic.name for topic in recording.topics if topic.count]
    topic = wanted or next((n for n in names if any(word in n.lower() for word in _TRUTH_WORDS)), None)
    if topic:
        return recording.trajectory(topic), f"the true poses on {topic}"
    odometry = pose_topic(recording.topics)
    if odometry is None:
        raise BagError(f"{recording.path.name} holds no poses; name a topic or a file of true poses with --truth")
    return recording.trajectory(odometry.name), f"the odometry on {odometry.name}, which may drift"
