"""What a model's descriptors are asked, and how sure the answers are: shared by the benchmarks of models.

    DATA/ie_tower    images.csv: path, floor, clip, second, area (photographs, walking through 13 floors)
    DATA/robot_run   images/ and poses.csv: image, x_m, y_m (one outdoor run)
    DATA/sequences   office_loop/ (truth.npz) and lot_circle/ (truth_phase.csv): walks and drives that come back
    TOWN.mcap        recordings of `a2gc simulate`

Intervals are 95 % percentile bootstraps over whole clips, because neighboring frames resemble each other.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.bags import open_recording
from a2gc_ros.evaluation.recall import Interval
from a2gc_ros.extract import Extractor
from a2gc_ros.geometry import yaw_of
from a2gc_ros.images.decode import read_image

HELD_OUT = ("floor9", "floor17", "basement3")
"""Floors that neither trained the model nor chose anything about it."""

BATCH = 16

Descriptors = npt.NDArray[np.float32]
Images = Iterable[npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Scores:
    """One measure of every query of one protocol.

    Attributes:
        protocol: What was asked.
        measure: What a value is.
        values: float64 (Q,), in [0, 1].
        groups: int64 (Q,), the clip of each query.
    """

    protocol: str
    measure: str
    values: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64]

    def interval(self) -> Interval:
        """The mean and its interval."""
        return spread(self.values, self.groups)

    def margin_over(self, other: Scores) -> Interval:
        """The mean difference on the same queries and its interval."""
        return spread(self.values - other.values, self.groups)


def spread(values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64], *, samples: int = 2000) -> Interval:
    """The mean of values and a percentile bootstrap that draws whole groups."""
    codes = np.unique(groups, return_inverse=True)[1]
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    drawn = np.random.default_rng(0).integers(0, len(counts), (samples, len(counts)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (2.5, 97.5))
    return Interval(float(values.mean()), float(low), float(high))


def average(runs: Sequence[Scores]) -> Scores:
    """The mean over several runs of the same protocol, query by query."""
    return Scores(runs[0].protocol, runs[0].measure, np.mean([run.values for run in runs], axis=0), runs[0].groups)


class Photographs:
    """Files in the order in which they were taken.

    Args:
        paths: Of the images.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def images(self) -> Images:
        """The photographs, RGB uint8 (H, W, 3) each."""
        return map(read_image, self._paths)

    def _in_stretches(
        self, protocol: str, descriptors: Descriptors, right: npt.NDArray[np.bool_], ignored: int, stretch: int
    ) -> Iterator[Scores]:
        """Asks every frame for the right ones, without the last so many before it; stretches stand in for clips."""
        order = np.arange(len(self._paths))
        later = order[:, None] - order < ignored
        everyone = np.ones(len(order), bool)
        yield from _ranked(protocol, descriptors @ descriptors.T, right & ~later, later, everyone, order // stretch)


class Tower(Photographs):
    """The photographs of the tower; held-out floors ask, all floors are searched: corridors repeat between floors."""

    def __init__(self, folder: Path) -> None:
        with (folder / "images.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        super().__init__([folder / row["path"] for row in rows])
        self._floor = np.array([row["floor"] for row in rows])
        self._clip = np.unique([row["clip"] for row in rows], return_inverse=True)[1].astype(np.int64)
        self._area = np.array([f"{row['floor']} {row['area']}" for row in rows])
        self._second = np.array([float(row["second"]) for row in rows])

    def scores(self, descriptors: Descriptors) -> Iterator[Scores]:
        """Judges descriptors, float32 (N, D), of all images."""
        same = self._clip[:, None] == self._clip
        apart = np.abs(self._second[:, None] - self._second)
        similarity = descriptors @ descriptors.T
        asked = np.isin(self._floor, HELD_OUT)
        within = same & (apart > 1) & (apart <= 3)
        yield from _ranked("same clip, 2 to 3 s apart", similarity, within, same & (apart <= 1), asked, self._clip)
        area = (self._area[:, None] == self._area) & ~same
        yield from _ranked("other clips, same area", similarity, area, same, asked, self._clip)
        floor = (self._floor[:, None] == self._floor) & ~same
        yield from _ranked("other clips, same floor", similarity, floor, same, asked, self._clip)


class RobotRun(Photographs):
    """An outdoor run: right are frames within 10 m; the direct neighbors in time are left out."""

    def __init__(self, folder: Path) -> None:
        with (folder / "poses.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        super().__init__([folder / "images" / row["image"] for row in rows])
        self._xy = np.array([[float(row["x_m"]), float(row["y_m"])] for row in rows])

    def scores(self, descriptors: Descriptors) -> Iterator[Scores]:
        """Judges descriptors, float32 (N, D), of all frames. Stretches of eight frames stand in for clips."""
        order = np.arange(len(self._xy))
        near = np.linalg.norm(self._xy[:, None] - self._xy, axis=2) <= 10
        beside = np.abs(order[:, None] - order) <= 1
        everyone = np.ones(len(order), bool)
        yield from _ranked("robot_run", descriptors @ descriptors.T, near & ~beside, beside, everyone, order // 8)


class OfficeLoop(Photographs):
    """A walk round an office that ends where it began: right by structure from motion, the last 10 s left out.

    The eleven frames after the return ask; stretches of five frames stand in for clips.
    """

    RECENT = 20

    def __init__(self, folder: Path) -> None:
        super().__init__(sorted((folder / "images").iterdir()))
        self._right = np.load(folder / "truth.npz")["view"]

    def scores(self, descriptors: Descriptors) -> Iterator[Scores]:
        """Judges descriptors, float32 (N, D), of all frames."""
        yield from self._in_stretches("office_loop", descriptors, self._right, self.RECENT, 5)


class LotCircle(Photographs):
    """Laps on a parking lot, every third frame: right within a twentieth of a lap, the last 4 s left out.

    Stretches of ten frames, 2 s, stand in for clips.
    """

    RECENT = 20

    def __init__(self, folder: Path) -> None:
        with (folder / "truth_phase.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))[::3]
        super().__init__([folder / "images" / row["image"] for row in rows])
        along, lap = np.array([float(row["phase"]) for row in rows]), float(rows[0]["lap_length"])
        apart = np.abs(along[:, None] - along)
        self._right = np.minimum(apart, lap - apart) <= 0.05 * lap

    def scores(self, descriptors: Descriptors) -> Iterator[Scores]:
        """Judges descriptors, float32 (N, D), of the frames."""
        yield from self._in_stretches("lot_circle", descriptors, self._right, self.RECENT, 10)


class Town:
    """A drive through a simulated town: right is within 6 m and 45 degrees; the last 30 s are left out.

    Every second frame is taken; frames without a revisit are not asked.
    """

    def __init__(self, recording: Path) -> None:
        self._recording = recording
        with open_recording(recording) as content:
            trajectory = content.trajectory("/ground_truth/pose")
            stamps = [frame.stamp_ns for frame in islice(content.frames(pose_topic=""), 0, None, 2)]
        poses = [trajectory.interpolate(stamp) for stamp in stamps]
        known = np.array([pose if pose is not None else np.full((4, 4), np.nan) for pose in poses])
        self._second = np.array(stamps) * 1e-9
        self._xy = known[:, :2, 3]
        self._yaw = np.array([yaw_of(pose) for pose in known])

    def __len__(self) -> int:
        return len(self._xy)

    def images(self) -> Images:
        """The frames, RGB uint8 (H, W, 3) each."""
        with open_recording(self._recording) as content:
            for frame in islice(content.frames(pose_topic=""), 0, None, 2):
                yield frame.image

    def scores(self, descriptors: Descriptors) -> Iterator[Scores]:
        """Judges descriptors, float32 (N, D), of the frames. Stretches of ten seconds stand in for clips."""
        turn = np.abs((self._yaw[:, None] - self._yaw + np.pi) % (2 * np.pi) - np.pi)
        near = (np.linalg.norm(self._xy[:, None] - self._xy, axis=2) <= 6) & (turn <= np.radians(45))
        recent = np.abs(self._second[:, None] - self._second) <= 30
        clip = ((self._second - self._second[0]) // 10).astype(np.int64)
        everyone = np.ones(len(clip), bool)
        yield from _ranked(self._recording.stem, descriptors @ descriptors.T, near & ~recent, recent, everyone, clip)


def describe(extractor: Extractor, images: Images) -> Descriptors:
    """Returns descriptors, float32 (N, D)."""
    stream = iter(images)
    found = []
    while batch := list(islice(stream, BATCH)):
        found.append(extractor.extract(batch))
    return np.concatenate(found)


def _ranked(
    protocol: str,
    similarity: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    ignored: npt.NDArray[np.bool_],
    asked: npt.NDArray[np.bool_],
    clips: npt.NDArray[np.int64],
) -> Iterator[Scores]:
    """Recall@1, recall@5 and average precision of the queries that have a right answer; (N, N) matrices, (N,) rows."""
    queries = np.flatnonzero(asked & right.any(axis=1))
    order = np.argsort(-np.where(ignored, -np.inf, similarity)[queries], axis=1, kind="stable")
    hits = np.take_along_axis(right[queries], order, axis=1).astype(np.float64)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    yield Scores(protocol, "R@1", hits[:, 0], clips[queries])
    yield Scores(protocol, "R@5", hits[:, :5].max(axis=1), clips[queries])
    yield Scores(protocol, "mAP", (precision * hits).sum(axis=1) / hits.sum(axis=1), clips[queries])
