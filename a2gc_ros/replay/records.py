"""What one run over a recording produced: a record for each image that was worked on."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import A2gcError
from a2gc_ros.loops.results import Match
from a2gc_ros.system.json_values import finite

Rows = tuple[tuple[float, ...], ...]
"""A matrix, row by row."""

Key = tuple[int, int, int]
"""Stamp of the query, map index and stamp of the keyframe."""


@dataclass(frozen=True)
class ClosureRecord:
    """An accepted candidate.

    Attributes:
        keyframe_stamp_ns: Stamp of the keyframe, nanoseconds.
        map_index: 0 for the live session, n for the n-th loaded map.
        similarity: Cosine of the two descriptors.
        inliers: Local features that agree with one camera motion; 0 when no check ran.
        verified: Whether the geometric check passed.
        probability: That it is right; NaN where unknown.
        relative_pose: (4, 4), ``t_keyframeCamera_queryCamera`` in optical frames (x right, y down, z forward); None
            where it is not known. Its translation is in metres where ``scale_known`` holds, else of unit length.
        scale_known: Whether the translation is in metres.
        covariance: (6, 6), of x, y, z and the rotation about X, Y, Z, in the axes of the keyframe's camera; None where
            it is not known.
        reason: Why there is no pose or no scale; empty where nothing is missing.
        held_s: How long it waited for later images, seconds.
    """

    keyframe_stamp_ns: int
    map_index: int
    similarity: float
    inliers: int
    verified: bool
    probability: float = math.nan
    relative_pose: Rows | None = None
    scale_known: bool = False
    covariance: Rows | None = None
    reason: str = ""
    held_s: float = 0.0


@dataclass(frozen=True)
class PairRecord:
    """A keyframe that an image was compared with, given out or not; as :class:`a2gc_ros.loops.results.ComparedPair`.

    Attributes:
        keyframe_stamp_ns: Stamp of the keyframe, nanoseconds.
        similarity: Cosine of the two descriptors.
        stage: How far it came: "compared", "verified", "sure" or "given out".
        probability: As there, but NaN where the check refused it.
    """

    keyframe_stamp_ns: int
    map_index: int
    rank: int
    similarity: float
    matches: int
    inliers: int
    coverage: float
    stage: str
    reason: str = ""
    probability: float = math.nan
    share: float = math.nan
    advance: float = math.nan
    length: int = 0
    held_s: float = 0.0


OfKeyframe: TypeAlias = ClosureRecord | PairRecord | Match
"""What names a keyframe by its map and stamp."""


def key_of(stamp_ns: int, pair: OfKeyframe) -> Key:
    """Returns what names an image and a keyframe among all of a run."""
    return stamp_ns, pair.map_index, pair.keyframe_stamp_ns


@dataclass(frozen=True)
class QueryRecord:
    """One image that was worked on.

    Attributes:
        stamp_ns: Stamp of the image, nanoseconds.
        closures: Accepted candidates, best first.
        latency_ms: From the image's arrival to its answer, milliseconds; NaN when not measured.
        pairs: All that it was compared with, best first; empty for an image that became no keyframe, and in a live
            run, whose messages have closures only.
    """

    stamp_ns: int
    closures: tuple[ClosureRecord, ...] = ()
    latency_ms: float = math.nan
    pairs: tuple[PairRecord, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came with one image; some closures are about earlier ones, held back until others agreed.

    Attributes:
        stamp_ns: Stamp of the image, nanoseconds.
        latency_ms: As in :class:`QueryRecord`.
        closures: With the stamp of the image that each is about.
        pairs: Those that it decided, with the stamp of the image that each is about.
    """

    stamp_ns: int
    latency_ms: float
    closures: tuple[tuple[int, ClosureRecord], ...] = ()
    pairs: tuple[tuple[int, PairRecord], ...] = ()


def by_query(answers: Sequence[Answer]) -> tuple[QueryRecord, ...]:
    """Puts each closure and each compared pair with the image that it is about."""
    closures: dict[int, list[ClosureRecord]] = {}
    pairs: dict[int, list[PairRecord]] = {}
    for answer in answers:
        for stamp_ns, closure in answer.closures:
            closures.setdefault(stamp_ns, []).append(closure)
        for stamp_ns, pair in answer.pairs:
            pairs.setdefault(stamp_ns, []).append(pair)
    return tuple(
        QueryRecord(
            answer.stamp_ns,
            tuple(closures.get(answer.stamp_ns, ())),
            answer.latency_ms,
            tuple(sorted(pairs.get(answer.stamp_ns, ()), key=lambda pair: (pair.map_index, pair.rank))),
        )
        for answer in answers
    )


@dataclass(frozen=True)
class RunRecord:
    """One run of the chain over one recording.

    Attributes:
        mode: "offline" or "live".
        skipped: Images that were not worked on, by reason.
    """

    mode: str
    model: str
    backend: str
    queries: tuple[QueryRecord, ...]
    skipped: dict[str, int] = field(default_factory=dict)

    def accepted_pairs(self) -> set[Key]:
        """Returns the keys of all accepted candidates."""
        return {key_of(query.stamp_ns, closure) for query in self.queries for closure in query.closures}


def write_queries(path: Path, queries: Iterable[QueryRecord]) -> None:
    """Writes one JSON object a line; NaN is written as null."""
    with path.open("w", encoding="utf-8") as file:
        for query in queries:
            file.write(json.dumps(finite(dataclasses.asdict(query))) + "\n")


def read_queries(path: Path) -> tuple[QueryRecord, ...]:
    """Reads what ``write_queries`` wrote.

    Raises:
        A2gcError: If a line is not a query record.
    """
    queries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            closures = tuple(_closure(closure) for closure in entry.pop("closures"))
            pairs = tuple(
                PairRecord(**_with_nan(pair, "probability", "share", "advance")) for pair in entry.pop("pairs", ())
            )
            latency = entry.pop("latency_ms")
            latency_ms = math.nan if latency is None else float(latency)
            queries.append(QueryRecord(closures=closures, pairs=pairs, latency_ms=latency_ms, **entry))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise A2gcError(f"{path}, line {number}, is not a query record ({error}); record the run again") from error
    return tuple(queries)


def rows_of(matrix: npt.NDArray[np.float64] | None) -> Rows | None:
    """Returns a matrix (N, M) as a record holds it."""
    return None if matrix is None else tuple(tuple(float(value) for value in row) for row in matrix)


def _closure(fields: dict[str, Any]) -> ClosureRecord:
    for name, size in (("relative_pose", 4), ("covariance", 6)):
        if fields.get(name) is not None:
            fields[name] = rows_of(np.asarray(fields[name], dtype=np.float64).reshape(size, size))
    return ClosureRecord(**_with_nan(fields, "probability"))


def _with_nan(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return fields | {name: math.nan for name in names if fields.get(name) is None}
