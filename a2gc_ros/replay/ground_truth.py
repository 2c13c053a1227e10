"""Which places are the same, from true poses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose
from a2gc_ros.replay.records import OfKeyframe

CELLS_AT_ONCE: Final = 1 << 24
"""Pairs of images that are compared at a time; about a gigabyte."""


@dataclass(frozen=True)
class RevisitRule:
    """When two camera images count as the same place.

    Attributes:
        radius_m: A closure is right when the true positions are at most this far apart. Benchmarks of place
            recognition use 25 m; two cameras in a street share most of their view up to about 15 m.
        heading_deg: A revisit is expected to be found only when the headings differ by at most this: a camera that
            looks the other way sees another picture.
        min_time_gap_s: Images closer in time than this are the same visit, not a revisit.
        min_travel_m: Images with less path between them than this are the same visit.
    """

    radius_m: float = 15.0
    heading_deg: float = 45.0
    min_time_gap_s: float = 20.0
    min_travel_m: float = 20.0


@dataclass(frozen=True)
class GroundTruthPath:
    """True planar poses of a set of images.

    Attributes:
        stamps_ns: int64 (N,), ascending.
        positions: float64 (N, 3), metres, in one common frame.
        headings: float64 (N,), radians about +z.
        path_length: float64 (N,), metres along the path since its first image.
    """

    stamps_ns: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]
    headings: npt.NDArray[np.float64]
    path_length: npt.NDArray[np.float64]

    @classmethod
    def from_poses(cls, stamps_ns: list[int], poses: list[Pose]) -> GroundTruthPath:
        """Builds a path from poses (each float64 (4, 4), ``t_world_robot``) in ascending order of stamps."""
        stacked = np.stack(poses) if poses else np.empty((0, 4, 4))
        positions = stacked[:, :3, 3]
        steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
        return cls(
            np.asarray(stamps_ns, dtype=np.int64),
            positions,
            np.arctan2(stacked[:, 1, 0], stacked[:, 0, 0]),
            np.concatenate([np.zeros(min(1, len(poses))), np.cumsum(steps)]),
        )

    def index_of(self, stamp_ns: int) -> int | None:
        """Returns the image with exactly this stamp, or None."""
        i = int(np.searchsorted(self.stamps_ns, stamp_ns))
        return i if i < len(self.stamps_ns) and self.stamps_ns[i] == stamp_ns else None

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def __getitem__(self, rows: slice) -> GroundTruthPath:
        return GroundTruthPath(self.stamps_ns[rows], self.positions[rows], self.headings[rows], self.path_length[rows])


def apart(paths: Mapping[int, GroundTruthPath], stamp_ns: int, pair: OfKeyframe) -> float | None:
    """Returns the true metres between an image of path 0 and a keyframe of any; None where they are not known."""
    own, other = paths.get(0), paths.get(pair.map_index)
    here = None if own is None else own.index_of(stamp_ns)
    there = None if other is None else other.index_of(pair.keyframe_stamp_ns)
    if own is None or other is None or here is None or there is None:
        return None
    return float(np.linalg.norm(own.positions[here] - other.positions[there]))


def same_view(queries: GroundTruthPath, references: GroundTruthPath, rule: RevisitRule) -> npt.NDArray[np.bool_]:
    """Tells for each pair whether they are within the radius and look the same way; bool (Q, R)."""
    gaps = np.linalg.norm(queries.positions[:, None] - references.positions[None], axis=2)
    turn = queries.headings[:, None] - references.headings[None]
    turn = np.abs(np.arctan2(np.sin(turn), np.cos(turn)))
    return np.asarray((gaps <= rule.radius_m) & (turn <= np.deg2rad(rule.heading_deg)))


def earlier_visit(queries: GroundTruthPath, path: GroundTruthPath, rule: RevisitRule) -> npt.NDArray[np.bool_]:
    """Tells for each pair (query, reference) of one run whether the reference is an earlier visit; bool (Q, N)."""
    seconds = (queries.stamps_ns[:, None] - path.stamps_ns[None]) / 1e9
    meters = queries.path_length[:, None] - path.path_length[None]
    return np.asarray((seconds >= rule.min_time_gap_s) & (meters >= rule.min_travel_m))


def revisiting(path: GroundTruthPath, maps: Iterable[GroundTruthPath], rule: RevisitRule) -> npt.NDArray[np.bool_]:
    """Tells which images of a run show a place that it, or a loaded map, has seen before the same way; bool (N,)."""
    found = np.zeros(len(path), dtype=bool)
    maps = list(maps)
    for rows in blocks(len(path), max(map(len, (path, *maps)))):
        part = path[rows]
        found[rows] = np.any(same_view(part, path, rule) & earlier_visit(part, path, rule), axis=1)
        for keyframes in maps:
            found[rows] |= np.any(same_view(part, keyframes, rule), axis=1)
    return found


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yields the rows of a large table in parts of no more than :data:`CELLS_AT_ONCE`."""
    step = max(1, CELLS_AT_ONCE // max(1, columns))
    yield from (slice(begin, begin + step) for begin in range(0, rows, step))
