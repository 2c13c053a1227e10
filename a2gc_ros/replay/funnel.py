"""How far each keyframe of a run came on its way to a closure, and where most were lost."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.results import Stage
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.replay.records import Key, OfKeyframe, PairRecord, QueryRecord, key_of

ORDER: Final = (Stage.COMPARED, Stage.VERIFIED, Stage.SURE, Stage.GIVEN_OUT)

STEPS: Final = (
    ("compared", "were compared with the keyframes most like them"),
    ("agree", "agree with one of them in geometry"),
    ("sure", "are sure, with what the keyframes around them say"),
    ("given_out", "were given out as a closure"),
)
"""Key and name of each step, in their order."""

APART: Final = 5
"""Keyframes between two pairs that are shown, so that pictures of one moment do not crowd out the others."""


Truth = Callable[[int, OfKeyframe], "bool | None"]
"""Whether the image with this stamp and the keyframe show one place; None where that is not known."""


@dataclass(frozen=True)
class FunnelStep:
    """A step on the way to a closure.

    Attributes:
        key: For scripts.
        name: What a keyframe has that came so far, for people.
        keyframes: How many came so far, with any pair; None where only the truth can tell.
        revisits: How many revisits came so far with a pair that is right; None where no truth is known.
    """

    key: str
    name: str
    keyframes: int | None
    revisits: int | None


@dataclass(frozen=True)
class Fallen:
    """A pair that came no farther than its stage, of a keyframe without a closure.

    Attributes:
        pair: What it was compared with, and what came of it.
        right: Whether both show one place; None where no truth is known.
    """

    query_stamp_ns: int
    pair: PairRecord
    right: bool | None

    @property
    def key(self) -> Key:
        """Of image and keyframe."""
        return key_of(self.query_stamp_ns, self.pair)


@dataclass(frozen=True)
class Funnel:
    """The way of all keyframes.

    Attributes:
        steps: From all keyframes to those with a closure.
        fallen: Pairs that fell at each stage, the most promising first.
        reasons: How often each reason was given, by stage, the most frequent first.
    """

    steps: tuple[FunnelStep, ...]
    fallen: dict[Stage, tuple[Fallen, ...]]
    reasons: dict[Stage, tuple[tuple[str, int], ...]]


def funnel(
    queries: Sequence[QueryRecord],
    keyframes: int,
    revisits: Sequence[int] | None,
    right: Truth,
    nearest: Mapping[int, Sequence[OfKeyframe]],
) -> Funnel:
    """Follows the keyframes of a run.

    Args:
        queries: All images that were worked on, those that became no keyframe included.
        keyframes: How many became one.
        revisits: Stamps of those at a place that was there to be recognized; None where no truth is known.
        right: The truth of a pair.
        nearest: The most similar keyframes of each of them, by stamp, most similar first.
    """
    reached = {query.stamp_ns: _reached(query) for query in queries}
    expected = set(revisits or ())
    asked = [query for query in queries if query.stamp_ns in expected]
    truly = {query.stamp_ns: _reached(query, right) for query in asked}
    among = {stamp: [right(stamp, match) is True for match in nearest.get(stamp, ())] for stamp in expected}

    steps = [FunnelStep("keyframes", "keyframes of the run", keyframes, None if revisits is None else len(revisits))]
    for level, (key, name) in enumerate(STEPS):
        came, found = (sum(stage >= level for stage in stages.values()) for stages in (reached, truly))
        steps.append(FunnelStep(key, name, came, None if revisits is None else found))
    if revisits is not None:
        most = max(map(len, among.values()), default=0)
        some, first = sum(map(any, among.values())), sum(found[:1] == [True] for found in among.values())
        steps[1:1] = [
            FunnelStep("top_k", f"have a right one among the {most} most like them", None, some),
            FunnelStep("top_1", "have a right one as the most like them", None, first),
        ]
    lost = [query for query in queries if reached[query.stamp_ns] < len(ORDER) - 1]
    fallen = {stage: _most_promising(lost, stage, right, expected) for stage in ORDER[:-1]}
    counts = {
        stage: Counter(pair.reason for query in lost for pair in query.pairs if pair.stage == stage.value)
        for stage in ORDER[:-1]
    }
    return Funnel(tuple(steps), fallen, {stage: tuple(found.most_common()) for stage, found in counts.items()})


def features_per_keyframe(place_map: PlaceMap) -> npt.NDArray[np.int64]:
    """Number of local features kept with each keyframe, int64 (N,); empty where none are kept."""
    with place_map.reading() as connection:
        heads = connection.execute("SELECT substr(data, 1, 2) FROM features").fetchall()
    return np.array([struct.unpack("<H", head)[0] for (head,) in heads], dtype=np.int64)


def _reached(query: QueryRecord, right: Truth | None = None) -> int:
    """The farthest step of a query's pairs, or of those that are right; -1 where it was compared with none."""
    levels = {stage.value: level for level, stage in enumerate(ORDER)}
    if any(right is None or right(query.stamp_ns, closure) for closure in query.closures):
        return levels[Stage.GIVEN_OUT.value]
    pairs = [pair for pair in query.pairs if right is None or right(query.stamp_ns, pair)]
    return max((levels[pair.stage] for pair in pairs), default=-1)


def _most_promising(
    queries: Sequence[QueryRecord], stage: Stage, right: Truth, expected: set[int]
) -> tuple[Fallen, ...]:
    """The best pair of each query that fell at a stage, right pairs of revisits first."""

    def promise(query: QueryRecord, pair: PairRecord) -> tuple[bool, float, int, float]:
        lost = query.stamp_ns in expected and right(query.stamp_ns, pair) is True
        probability = pair.probability if np.isfinite(pair.probability) else -1.0
        return lost, probability, pair.inliers, pair.similarity

    found = []
    for at, query in enumerate(queries):
        pairs = [pair for pair in query.pairs if pair.stage == stage.value]
        if pairs and _reached(query) == ORDER.index(stage):
            best = max(pairs, key=lambda pair, query=query: promise(query, pair))  # type: ignore[misc]
            found.append((at, promise(query, best), Fallen(query.stamp_ns, best, right(query.stamp_ns, best))))
    found.sort(key=lambda entry: entry[1], reverse=True)
    chosen: list[tuple[int, Fallen]] = []
    rest: list[Fallen] = []
    for at, _, fallen in found:
        if all(abs(at - other) >= APART for other, _ in chosen):
            chosen.append((at, fallen))
        else:
            rest.append(fallen)
    return (*(fallen for _, fallen in chosen), *rest)
