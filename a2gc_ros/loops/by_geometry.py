"""Closures by local features: pairs are compared, wait for later queries that agree, and are given out or dropped.

The nearest keyframes of every query are compared with it. A pair whose features agree with one camera motion is
verified, and waits up to ``hold_keyframes`` keyframes. As soon as the run through it (:mod:`a2gc_ros.loops.runs`) makes
its place likely enough, its pose is looked for, and it goes on to the agreement with other closures. One that is not
sure by then is dropped, but a further query never makes it less sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from a2gc_ros.loops.agreement import Agreement
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.evidence import EvidenceModel
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.query import Query
from a2gc_ros.loops.results import ComparedPair, Detection, LoopClosure, Match, Stage
from a2gc_ros.loops.runs import WINDOW, Run, VerifiedPair, strongest
from a2gc_ros.loops.timing import timed
from a2gc_ros.loops.verification import Comparison, GeometricVerifier, View
from a2gc_ros.placemap import PlaceMap

PLACE_KEYFRAMES: Final = 10
"""Keyframes of one session within so many of each other may show the same place."""


@dataclass
class _Held:
    """A verified pair of one of the last queries.

    Attributes:
        query: Its query.
        keyframe_id: The keyframe that the query became.
        match: Query and keyframe.
        rank: Of the keyframe among its map's, by similarity.
        comparison: What the local features say.
        pair: The same, as runs need it.
        run: The strongest run through it.
        stage: How far it came.
        reason: Why no farther.
        open: Whether its fate is not decided yet.
        refuted: Whether it turned out to be no pair of one place.
    """

    query: Query
    keyframe_id: int
    match: Match
    rank: int
    comparison: Comparison
    pair: VerifiedPair
    run: Run | None = None
    stage: Stage = Stage.VERIFIED
    reason: str = "too little around it agrees"
    open: bool = True
    refuted: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """The query and the map; at most one closure is given out for them."""
        return self.pair.step, self.match.map_index

    @property
    def probability(self) -> float:
        """That it shows one place, as far as is known by now."""
        return 0.0 if self.run is None else self.run.probability

    def record(self, stamp_ns: int) -> ComparedPair:
        """Returns what became of it, as decided by the frame with this stamp."""
        run = self.run
        return ComparedPair(
            self.match,
            self.rank,
            self.comparison.matches,
            self.comparison.inliers,
            self.comparison.coverage,
            self.stage,
            self.reason,
            None if run is None else run.probability,
            float("nan") if run is None else run.share,
            float("nan") if run is None else run.advance,
            0 if run is None else run.length,
            (stamp_ns - self.match.query_stamp_ns) / 1e9,
        )


class ByGeometry:
    """Judges the matches of one session by local features.

    Args:
        config: The settings.
        maps: The live map and the loaded ones.
        verifier: Compares views.
        model: What makes a run likely.
    """

    def __init__(
        self, config: LoopConfig, maps: Sequence[PlaceMap], verifier: GeometricVerifier, model: EvidenceModel
    ) -> None:
        self._config = config
        self._maps = maps
        self._verifier = verifier
        self._model = model
        self._agreement = Agreement(config.min_agreeing, config.hold_keyframes, config.max_drift)
        self._held: list[_Held] = []
        self._fresh: list[tuple[tuple[Match, VerifiedPair], int, Comparison]] = []
        self._taken: set[tuple[int, int]] = set()

    def look(self, query: Query, detection: Detection) -> None:
        """Compares a query with its nearest keyframes, before it is stored."""
        with timed(detection, "comparison"):
            self._fresh = []
            for index in range(len(self._maps)):
                self._compare(index, query, detection)
            detection.verified = [verified for verified, *_ in self._fresh]

    def decide(self, query: Query, keyframe_id: int, detection: Detection) -> None:
        """Weighs all pairs that wait, after the query was stored, and gives out what is sure and agrees."""
        with timed(detection, "evidence"):
            self._held += [
                _Held(query, keyframe_id, match, rank, comparison, pair)
                for (match, pair), rank, comparison in self._fresh
            ]
            self._weigh()
        with timed(detection, "location"):
            accepted = self._accept(detection)
        with timed(detection, "agreement"):
            placed = [
                held.query.placed(closure, self._maps[held.match.map_index], held.keyframe_id)
                for held, closure in accepted
            ]
            detection.closures = self._agreement.release(query.step, query.frame.stamp_ns, placed)
            self._settle(query, detection)

    def waiting(self, stamp_ns: int) -> list[ComparedPair]:
        """Returns the pairs whose fate is open, as a frame with this stamp leaves them."""
        return [held.record(stamp_ns) for held in self._held if held.open]

    def _compare(self, index: int, query: Query, detection: Detection) -> None:
        """Compares a query with its nearest keyframes of one map."""
        here = [found for found in query.located if found.match.map_index == index]
        wanted = [found for found in here if found.match.similarity >= self._config.threshold]
        agreeing = []
        for rank, found in enumerate(wanted[: self._config.max_verifications]):
            keyframe = self._verifier.view_of_keyframe(self._maps[index], found.match.keyframe_id)
            comparison = self._verifier.compare(_view(query), keyframe)
            detection.candidates.append(found.match)
            if comparison.reason:
                counts = comparison.matches, comparison.inliers, comparison.coverage
                detection.decided.append(ComparedPair(found.match, rank, *counts, Stage.COMPARED, comparison.reason))
            else:
                agreeing.append((found, rank, comparison))
        if agreeing:
            rival = self._rival(index, query, here, [found for found, *_ in agreeing])
            for found, rank, comparison in agreeing:
                verified = found.match, _verified_pair(query, found, comparison, found.match.similarity - rival)
                self._fresh.append((verified, rank, comparison))

    def _rival(self, index: int, query: Query, here: Sequence[LocatedMatch], agreeing: Sequence[LocatedMatch]) -> float:
        """Returns the cosine of the most similar keyframe of the map that shows none of the places that agree.

        Places that agree leave one another alone: they may be several visits of one. Without another place it is that
        of a keyframe which has nothing to do with the query.
        """
        for found in here:
            if not any(_one_place(found, other) for other in agreeing):
                return found.match.similarity
        columns = self._maps[index].columns
        near = np.zeros(len(columns.ids), dtype=bool)
        for other in agreeing:
            same = columns.sessions == other.match.session_id
            near |= same & (np.abs(columns.ordinals - other.ordinal) <= PLACE_KEYFRAMES)
        exclude = columns.ids[near] if index else np.union1d(columns.ids[near], query.excluded)
        similarities, ids = self._maps[index].search(query.descriptor, 1, exclude=exclude)
        return float(similarities[0, 0]) if ids[0, 0] >= 0 else 0.0

    def _weigh(self) -> None:
        """Finds the strongest run through every pair that waits."""
        standing = [held for held in self._held if not held.refuted]
        for held, run in zip(standing, strongest([held.pair for held in standing], self._model), strict=True):
            held.run = run

    def _accept(self, detection: Detection) -> list[tuple[_Held, LoopClosure]]:
        """Looks for the poses of the likeliest sure pairs, one for each query and map; older queries first."""
        accepted = []
        tried: set[int] = set()
        while (held := next((held for held in self._sure() if id(held) not in tried), None)) is not None:
            tried.add(id(held))
            closure = self._locate(held, detection)
            if closure is not None:
                accepted.append((held, closure))
            elif held.refuted:
                # What it supported has lost a support.
                self._weigh()
        return accepted

    def _sure(self) -> list[_Held]:
        """Returns the pairs that are sure and have no fate yet, likeliest first, those of older queries before."""
        least = 1 - self._config.max_false_positive_rate
        sure = [
            held
            for held in self._held
            if held.open
            and held.stage is Stage.VERIFIED
            and held.run is not None
            and held.run.probability >= least
            and held.run.length >= self._config.min_agreeing
        ]
        return sorted(sure, key=lambda h: (h.pair.step, h.match.map_index, -h.probability, -h.match.similarity))

    def _locate(self, held: _Held, detection: Detection) -> LoopClosure | None:
        """Looks for the pose of a sure pair, unless another one of its query was taken."""
        held.stage = Stage.SURE
        if held.place in self._taken:
            held.reason = "another keyframe of the same place was taken"
            return None
        keyframe = self._verifier.view_of_keyframe(self._maps[held.match.map_index], held.match.keyframe_id)
        verification = self._verifier.locate(_view(held.query), keyframe, held.comparison)
        detection.verifications.append((held.match, verification))
        if not verification.verified:
            held.refuted, held.reason = True, verification.reason
            return None
        self._taken.add(held.place)
        held.reason = "too few others agree with it"
        return LoopClosure(held.match, verification, held.probability)

    def _settle(self, query: Query, detection: Detection) -> None:
        """Notes which pairs are decided, and forgets those that can support nothing more."""
        given = {(c.match.query_stamp_ns, c.match.map_index, c.match.keyframe_id) for c in detection.closures}
        for held in self._held:
            match = held.match
            if (match.query_stamp_ns, match.map_index, match.keyframe_id) in given:
                held.stage, held.reason = Stage.GIVEN_OUT, ""
            over = query.step - held.pair.step >= self._config.hold_keyframes
            if held.open and (held.stage is Stage.GIVEN_OUT or held.refuted or over):
                held.open = False
                detection.decided.append(held.record(query.frame.stamp_ns))
        oldest = query.step - max(2 * WINDOW, self._config.hold_keyframes)
        self._held = [held for held in self._held if held.pair.step > oldest]
        self._taken = {place for place in self._taken if place[0] > oldest}


def _view(query: Query) -> View:
    if query.view is None:
        raise ValueError("the query has no local features")
    return query.view


def _verified_pair(query: Query, found: LocatedMatch, comparison: Comparison, advance: float) -> VerifiedPair:
    return VerifiedPair(
        query.step,
        query.way,
        (found.match.map_index, found.match.session_id),
        found.ordinal,
        found.travelled,
        comparison.matches,
        comparison.inliers,
        comparison.coverage,
        advance,
    )


def _one_place(a: LocatedMatch, b: LocatedMatch) -> bool:
    return a.match.session_id == b.match.session_id and abs(a.ordinal - b.ordinal) <= PLACE_KEYFRAMES
