"""Closures by local features: pairs are compared, wait for later queries that agree, and are given out or dropped.

The nearest keyframes of every query are compared with it. A pair whose features agree with one camera motion is
verified, and waits up to ``hold_keyframes`` keyframes. As soon as the run through it (:mod:`a2gc_ros.loops.runs`) makes
its place likely enough, its pose is looked for, and it goes on to the agreement with other closures. One that is not
sure by then is dropped, but a further query never makes it less sure.

Where a keyframe's time is limited, what is left of its comparisons and poses waits for the next one's, as long as a
pair may wait.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from a2gc_ros.loops.candidate import NO_TIME, Candidate
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.evidence import EvidenceModel
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.pairwise_consistency import PairwiseConsistency
from a2gc_ros.loops.query import Query
from a2gc_ros.loops.results import ComparedPair, Detection, LoopClosure, Match, Stage
from a2gc_ros.loops.runs import WINDOW, strongest
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.placemap import PlaceMap

MOST_FOUND: Final = 3
"""Poses found in one map with one keyframe, the oldest first. A run that becomes sure brings all that waited at
once; the newest image is not to wait for more than can agree, and the others come with the next keyframes."""

PLACE_KEYFRAMES: Final = 10
"""Keyframes of one session within so many of each other may show the same place."""


class Budget:
    """Wall time that may be spent on one keyframe.

    Args:
        ms: Milliseconds; 0 for as many as it takes.
    """

    def __init__(self, ms: float) -> None:
        self._ms = ms
        self.start()

    def start(self) -> None:
        """Begins to count anew."""
        self._begin = time.perf_counter()

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._ms > 0 and (time.perf_counter() - self._begin) * 1e3 >= self._ms


class ByGeometry:
    """Judges the matches of one session by local features.

    Args:
        maps: The live map and the loaded ones.
    """

    def __init__(
        self, config: LoopConfig, maps: Sequence[PlaceMap], verifier: GeometricVerifier, model: EvidenceModel
    ) -> None:
        self._config = config
        self._maps = maps
        self._verifier = verifier
        self._model = model
        self._agreement = PairwiseConsistency(config.min_agreeing, config.hold_keyframes, config.max_drift)
        # Without odometry order is all there is to agree in, and that a run has by itself.
        self._no_agreement = PairwiseConsistency(1, config.hold_keyframes, config.max_drift)
        self._held: list[Candidate] = []
        self._fresh: list[Candidate] = []
        self._budget = Budget(config.max_verification_ms)
        self._unasked: list[list[Candidate]] = []
        self._keyframe_ids: dict[int, int] = {}
        self._taken: set[tuple[int, int]] = set()
        self._located: dict[int, int] = {}

    def look(self, query: Query, detection: Detection) -> None:
        """Compares a query with its nearest keyframes, before it is stored, and those before it that had to wait."""
        self._budget.start()
        with detection.timed("comparison"):
            newest = [self._candidates(index, query) for index in range(len(self._maps))]
            # The newest first: what waits longest is worth least.
            left = [self._compare(candidates, detection) for candidates in (*newest, *self._unasked)]
            self._unasked = [candidates for candidates in left if candidates]
            detection.postponed = sum(map(len, self._unasked))
            detection.verified = [(fresh.match, fresh.verified_pair()) for fresh in self._fresh]

    def decide(self, query: Query, keyframe_id: int, detection: Detection) -> None:
        """Weighs all pairs that wait, after the query was stored, and gives out what is sure and agrees."""
        self._keyframe_ids[query.step] = keyframe_id
        with detection.timed("evidence"):
            self._held += self._fresh
            self._fresh = []
            self._weigh()
        with detection.timed("location"):
            accepted = self._accept(detection)
        with detection.timed("agreement"):
            placed = [
                held.query.placed(closure, self._maps[held.match.map_index], self._keyframe_ids[held.query.step])
                for held, closure in accepted
            ]
            stamp_ns = query.frame.stamp_ns
            given_out = self._agreement.release(query.step, stamp_ns, [p for p in placed if p.posed])
            given_out += self._no_agreement.release(query.step, stamp_ns, [p for p in placed if not p.posed])
            detection.closures = sorted(given_out, key=lambda closure: -closure.match.query_stamp_ns)
            self._settle(query, detection)
        self._verifier.expect(self._expected(held for held, _ in accepted))

    def waiting(self, stamp_ns: int) -> list[ComparedPair]:
        """Returns the pairs whose fate is open, as a frame with this stamp leaves them."""
        waiting = [held for held in self._held if held.open], *self._unasked
        return [candidate.record(stamp_ns) for candidates in waiting for candidate in candidates]

    def _candidates(self, index: int, query: Query) -> list[Candidate]:
        """Returns the keyframes of one map that a query is compared with, nearest first."""
        here = [found for found in query.located if found.match.map_index == index]
        wanted = [found for found in here if found.match.similarity >= self._config.threshold]
        most = self._config.max_verifications
        return [Candidate(query, found, rank) for rank, found in enumerate(wanted[:most])]

    def _compare(self, candidates: Sequence[Candidate], detection: Detection) -> list[Candidate]:
        """Compares a query with keyframes of one map; returns those for which no time was left.

        The first one of a frame is always compared, so that the smallest budget brings on.
        """
        asked: list[Candidate] = []
        agreeing: list[Candidate] = []

        def pairs() -> Iterator[tuple[View, View | None]]:
            for candidate in candidates:
                if self._budget.spent and detection.candidates:
                    break
                asked.append(candidate)
                detection.candidates.append(candidate.match)
                yield candidate.view, self._view_of_keyframe(candidate.match)

        for number, comparison in enumerate(self._verifier.compare_each(pairs())):
            candidate = asked[number]
            candidate.comparison, candidate.reason = comparison, comparison.reason
            if comparison.reason:
                detection.decided.append(candidate.record(detection.stamp_ns))
            else:
                agreeing.append(candidate)
        if agreeing:
            rival = self._rival(agreeing[0].query, [candidate.found for candidate in agreeing])
            for candidate in agreeing:
                candidate.stage, candidate.reason = Stage.VERIFIED, "too little around it agrees"
                candidate.advance = candidate.match.similarity - rival
            self._fresh += agreeing
        return list(candidates[len(asked) :])

    def _rival(self, query: Query, agreeing: Sequence[LocatedMatch]) -> float:
        """Returns the cosine of the most similar keyframe of a map that shows none of the places in it that agree.

        Places that agree leave one another alone: they may be several visits of one. Without another place it is that
        of a keyframe which has nothing to do with the query.
        """
        index = agreeing[0].match.map_index
        for found in query.located:
            if found.match.map_index == index and not any(_one_place(found, other) for other in agreeing):
                return found.match.similarity
        columns = self._maps[index].columns
        near = np.zeros(len(columns.ids), dtype=bool)
        for other in agreeing:
            same = columns.sessions == other.match.session_id
            near |= same & (np.abs(columns.ordinals - other.ordinal) <= PLACE_KEYFRAMES)
        exclude = columns.ids[near]
        if index in query.excluded:
            exclude = np.union1d(exclude, query.excluded[index])
        if index == 0:
            # Of a query that waited also what was stored since.
            since = columns.ids[columns.ids >= self._keyframe_ids.get(query.step, np.iinfo(np.int64).max)]
            exclude = np.union1d(exclude, since)
        similarities, ids = self._maps[index].search(query.descriptor, 1, exclude=exclude)
        return float(similarities[0, 0]) if ids[0, 0] >= 0 else 0.0

    def _weigh(self) -> None:
        """Finds the strongest run through every pair that waits."""
        standing = [held for held in self._held if not held.refuted]
        for held, run in zip(
            standing, strongest([held.verified_pair() for held in standing], self._model), strict=True
        ):
            held.run = run

    def _accept(self, detection: Detection) -> list[tuple[Candidate, LoopClosure]]:
        """Looks for the poses of the likeliest sure pairs, one for each query and map; older queries first."""
        accepted: list[tuple[Candidate, LoopClosure]] = []
        found: Counter[int] = Counter()
        while (held := next((h for h in self._sure() if found[h.match.map_index] < MOST_FOUND), None)) is not None:
            if self._budget.spent and detection.verifications:
                left = [held for held in self._sure() if held.place not in self._taken]
                for held in left:
                    held.reason = NO_TIME
                detection.postponed += len(left)
                break
            closure = self._locate(held, detection)
            if closure is not None:
                found[held.match.map_index] += 1
                accepted.append((held, closure))
            elif held.refuted:
                # What it supported has lost a support.
                self._weigh()
        return accepted

    def _expected(self, located: Iterable[Candidate]) -> list[tuple[PlaceMap, int]]:
        """Returns at which keyframes poses are likely to be wanted next.

        Where the robot goes on along the map, and, where it is not sure yet, at the likeliest of each query. Of the
        demo's second lap 173 of 179 keyframes were expected, and 55 that were not wanted.
        """
        following: dict[int, list[int]] = {}
        for held in located:
            index, number = held.match.map_index, held.match.keyframe_id
            step = 1 if number >= self._located.get(index, number) else -1
            self._located[index] = number
            following[index] = [number + step, number + 2 * step]
        unsure = [h for h in self._held if h.open and h.stage is Stage.VERIFIED and h.place not in self._taken]
        best: dict[tuple[int, int], Candidate] = {}
        for held in unsure:
            rival = best.setdefault(held.place, held)
            best[held.place] = max(rival, held, key=lambda h: (h.run.probability, h.match.similarity))
        keyframes = [(index, number) for index, numbers in following.items() for number in numbers]
        keyframes += [(held.match.map_index, held.match.keyframe_id) for held in best.values()]
        return [(self._maps[index], number) for index, number in keyframes]

    def _sure(self) -> list[Candidate]:
        """Returns the pairs that are sure and have no fate yet, likeliest first, those of older queries before."""
        least = 1 - self._config.max_false_positive_rate
        sure = [
            held
            for held in self._held
            if held.open
            and held.stage is Stage.VERIFIED
            and held.run.probability >= least
            and held.run.length >= self._config.min_agreeing
        ]
        return sorted(sure, key=lambda h: (*h.place, -h.run.probability, -h.match.similarity))

    def _locate(self, held: Candidate, detection: Detection) -> LoopClosure | None:
        """Looks for the pose of a sure pair, unless another one of its query was taken."""
        held.stage = Stage.SURE
        if held.place in self._taken:
            held.reason = "another keyframe of the same place was taken"
            return None
        keyframe = self._view_of_keyframe(held.match)
        verification = self._verifier.locate(held.view, keyframe, held.comparison)
        detection.verifications.append((held.match, verification))
        if not verification.verified:
            held.refuted, held.reason = True, verification.reason
            return None
        self._taken.add(held.place)
        held.reason = "too few others agree with it"
        return LoopClosure(held.match, verification, held.run.probability)

    def _view_of_keyframe(self, match: Match) -> View | None:
        return self._verifier.view_of_keyframe(self._maps[match.map_index], match.keyframe_id)

    def _settle(self, query: Query, detection: Detection) -> None:
        """Notes which pairs are decided, and forgets those that can support nothing more."""
        given = {(c.match.query_stamp_ns, c.match.map_index, c.match.keyframe_id) for c in detection.closures}
        for held in self._held:
            match = held.match
            if (match.query_stamp_ns, match.map_index, match.keyframe_id) in given:
                held.stage, held.reason = Stage.GIVEN_OUT, ""
            over = query.step - held.query.step >= self._config.hold_keyframes
            if held.open and (held.stage is Stage.GIVEN_OUT or held.refuted or over):
                held.open = False
                detection.decided.append(held.record(query.frame.stamp_ns))
        oldest = query.step - max(2 * WINDOW, self._config.hold_keyframes)
        self._held = [held for held in self._held if held.query.step > oldest]
        self._taken = {place for place in self._taken if place[0] > oldest}
        late = query.step - self._config.hold_keyframes
        for candidates in self._unasked:
            if candidates[0].query.step <= late:
                detection.decided += [candidate.record(query.frame.stamp_ns) for candidate in candidates]
        self._unasked = [candidates for candidates in self._unasked if candidates[0].query.step > late]
        self._keyframe_ids = {step: number for step, number in self._keyframe_ids.items() if step > oldest}


def _one_place(a: LocatedMatch, b: LocatedMatch) -> bool:
    return a.match.session_id == b.match.session_id and abs(a.ordinal - b.ordinal) <= PLACE_KEYFRAMES
