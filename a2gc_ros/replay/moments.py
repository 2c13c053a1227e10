"""A run as a sequence of moments, for viewers that show what happened when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from a2gc_ros.geometry import quaternion_of
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.replay.explored import Explored
from a2gc_ros.replay.judged import Judged
from a2gc_ros.viz.matched_features import Found, match_features
from a2gc_ros.viz.page_data import Fate, PairRow

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Link:
    """A keyframe that was compared with the one of the moment.

    Attributes:
        here: Where the robot is, metres; None where that is not known.
        there: Where it was, likewise.
        jpeg: Picture of the older keyframe; None where none was kept.
        found: Features that match; only of closures.
    """

    row: PairRow
    here: Point | None
    there: Point | None
    jpeg: bytes | None
    found: Found | None


@dataclass(frozen=True)
class Moment:
    """A keyframe of the run.

    Attributes:
        jpeg: Its picture; None where none was kept.
        position: Where the robot was, metres; None where that is not known.
        orientation: Quaternion x, y, z, w of the robot; None likewise.
        latency_ms: From image to answer; NaN where not measured.
        links: Closures, and pairs that geometry accepted and that were held back; the surest first.
    """

    stamp_ns: int
    jpeg: bytes | None
    position: Point | None
    orientation: tuple[float, float, float, float] | None
    latency_ms: float
    links: Sequence[Link]


def moments(judged: Judged, explored: Explored) -> Iterator[Moment]:
    """Goes through the keyframes of a run, in order of time."""
    verifier = GeometricVerifier(judged.config)
    latency = {query.stamp_ns: query.latency_ms for query in judged.run.queries}
    by_query: dict[int, list[PairRow]] = {}
    for row in explored.pairs:
        if row.fate is not Fate.REFUSED:
            by_query.setdefault(row.query, []).append(row)

    def place(spot: int) -> Point | None:
        position = explored.spots[spot].position
        return None if position is None else (*position, 0.0)

    def picture(spot: int) -> bytes | None:
        place_map, keyframe_id = explored.keyframes[spot]
        return place_map.image(keyframe_id)

    def link(row: PairRow) -> Link:
        shown = row.fate is Fate.CLOSURE and judged.config.verify
        ends = explored.keyframes[row.query], explored.keyframes[row.keyframe]
        found = match_features(verifier, *ends) if shown else None
        return Link(row, place(row.query), place(row.keyframe), picture(row.keyframe), found)

    for at, keyframe in enumerate(explored.own):
        rows = sorted(by_query.get(at, ()), key=lambda row: (-row.fate, -(row.probability or 0.0)))
        turned = None if keyframe.pose is None else tuple(map(float, quaternion_of(keyframe.pose)))
        yield Moment(
            keyframe.stamp_ns,
            picture(at),
            place(at),
            turned,  # type: ignore[arg-type]
            latency.get(keyframe.stamp_ns, float("nan")),
            [link(row) for row in rows],
        )


def pixels(found: Found, side: int, width: int, height: int) -> np.ndarray:
    """Returns the features that agree, in pixels of the query's picture (side 0) or of the keyframe's (1), (N, 2)."""
    ends = found.drawn.ends[: found.drawn.inliers, 2 * side : 2 * side + 2]
    return ends * np.array([width, height], dtype=np.float64)
