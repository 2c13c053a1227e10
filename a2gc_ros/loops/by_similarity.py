"""Closures by descriptors alone, where the geometric check is switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from a2gc_ros.loops import matching
from a2gc_ros.loops.calibration import Calibration, ImpostorWatch
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.pairwise_consistency import PairwiseConsistency
from a2gc_ros.loops.place_filter import FilterStep, PlaceFilter
from a2gc_ros.loops.query import Query
from a2gc_ros.loops.results import ComparedPair, Detection, LoopClosure
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.impostors import Impostor

LIKELY: Final = 0.01
"""Probability from which a match counts as a candidate."""


class BySimilarity:
    """Judges the matches of one session by their similarities, against what the maps' impostors show."""

    def __init__(
        self, config: LoopConfig, maps: Sequence[PlaceMap], session_id: int, calibrations: Sequence[Calibration]
    ) -> None:
        self._config = config
        self._maps = maps
        self._session_id = session_id
        self._calibrations = calibrations
        self._filter = PlaceFilter()
        self._watch = ImpostorWatch(maps[0])
        self._agreement = PairwiseConsistency(config.min_agreeing, config.hold_keyframes, config.max_drift)
        self._impostor: Impostor | None = None
        self._accepted: list[LoopClosure] = []

    def look(self, query: Query, detection: Detection) -> None:
        """Judges the matches of a query before it is stored."""
        with detection.timed("calibration"):
            self._impostor = self._watch.observe(query.descriptor, self._impostors(query))
        with detection.timed("filter"):
            likely = self._likely(query)
            detection.candidates = [query.located[at].match for at in likely]
            self._accepted = self._accept(query, likely)

    def decide(self, query: Query, keyframe_id: int, detection: Detection) -> None:
        """Gives out what agrees, after the query was stored."""
        self._calibrations[0].add(keyframe_id, self._impostor)
        with detection.timed("agreement"):
            placed = [query.placed(c, self._maps[c.match.map_index], keyframe_id) for c in self._accepted]
            detection.closures = self._agreement.release(query.step, query.frame.stamp_ns, placed)

    def waiting(self, _stamp_ns: int) -> list[ComparedPair]:
        """Returns none: without local features no pairs are compared."""
        return []

    def _impostors(self, query: Query) -> matching.Ids:
        """Returns the live session's keyframes that cannot, or without odometry do not, show what the query shows."""
        if query.path_length is not None and self._config.max_drift < 1:
            return query.ruled_out
        believed = [found for found in self._filter.believed() if found.match.map_index == 0]
        return matching.elsewhere(self._maps[0], self._session_id, query.excluded[0], believed)

    def _likely(self, query: Query) -> list[int]:
        """Returns the numbers of the matches that may be the place, likeliest first."""
        searched = [len(place_map.columns) for place_map in self._maps]
        searched[0] -= len(query.excluded[0])
        tails = [calibration.tail_for(count) for calibration, count in zip(self._calibrations, searched, strict=True)]
        step = FilterStep(query.frame.stamp_ns, query.way, searched)
        probabilities = self._filter.update(step, query.located, tails)
        likely = [
            at
            for at, found in enumerate(query.located)
            if probabilities[at] >= LIKELY and found.match.similarity >= self._config.threshold
        ]
        # Stable: matches of one place stay in the order of their similarity.
        return sorted(likely, key=lambda at: -probabilities[at])

    def _accept(self, query: Query, likely: Sequence[int]) -> list[LoopClosure]:
        """Accepts at most one candidate per map: neighbors of one place say the same thing again."""
        accepted: dict[int, LoopClosure] = {}
        for at in likely:
            match, probability = query.located[at].match, self._filter.probability(at)
            if match.map_index not in accepted and 1 - probability <= self._config.max_false_positive_rate:
                accepted[match.map_index] = LoopClosure(match, None, probability)
        return sorted(accepted.values(), key=lambda closure: -(closure.probability or 0.0))
