"""Temporal consistency: a candidate needs the keyframes before it to match along the same stretch of the map.

Each query that became a keyframe leaves its matches behind. Two matches are *linked* when going from the earlier query
to the later one and going from the earlier match to the later one are about the same way, both forwards or (the road
driven in the opposite direction) one of them backwards. A match's *support* is the longest chain of links that ends in
it, itself counted. Every link moves on to another keyframe, so neither a robot that stands still nor one keyframe that
resembles everything can build a chain.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from a2gc_ros.loops.matching import LocatedMatch

FORWARD, BACKWARD = 1, -1


@dataclass(frozen=True)
class QueryPosition:
    """Where a query lies along the live session.

    Attributes:
        step: Number of keyframes before it.
        stamp_ns: Its stamp.
        travelled: Metres from the session's begin, NaN without odometry.
    """

    step: int
    stamp_ns: int
    travelled: float


@dataclass(frozen=True)
class _Link:
    """A match of the past, with the length of the longest chain that ends in it in either direction."""

    located: LocatedMatch
    lengths: dict[int, int]


class SequenceConsistency:
    """Counts the support of each match of a sequence of keyframes.

    Args:
        window: How many keyframes back a supporting match may be.
        tolerance_m: With odometry: how far the two ways may differ, beside half the query's way.
        max_gap_s: Without odometry: most seconds between two linked queries.
    """

    def __init__(self, window: int, tolerance_m: float, max_gap_s: float) -> None:
        self._tolerance_m = tolerance_m
        self._max_gap_ns = max_gap_s * 1e9
        self._history: deque[tuple[QueryPosition, list[_Link]]] = deque(maxlen=window)

    def support(self, position: QueryPosition, located: Sequence[LocatedMatch]) -> list[int]:
        """Returns the support of each match, at least 1, and remembers them for the keyframes to come.

        Args:
            position: Of the query, which became a keyframe.
            located: Its matches above the threshold.
        """
        if self._history and position.stamp_ns < self._history[-1][0].stamp_ns:
            self._history.clear()
        links = [
            _Link(match, {way: 1 + self._longest(position, match, way) for way in (FORWARD, BACKWARD)})
            for match in located
        ]
        self._history.append((position, links))
        return [max(link.lengths.values()) for link in links]

    def _longest(self, position: QueryPosition, match: LocatedMatch, way: int) -> int:
        longest = 0
        for earlier, links in self._history:
            for link in links:
                if link.lengths[way] > longest and self._linked(earlier, link.located, position, match, way):
                    longest = link.lengths[way]
        return longest

    def _linked(
        self,
        earlier: QueryPosition,
        before: LocatedMatch,
        later: QueryPosition,
        after: LocatedMatch,
        way: int,
    ) -> bool:
        a, b = before.match, after.match
        keyframes = way * (after.ordinal - before.ordinal)
        if (a.map_index, a.session_id) != (b.map_index, b.session_id) or keyframes < 1:
            return False
        on_map = way * (after.travelled - before.travelled)
        on_query = later.travelled - earlier.travelled
        if math.isnan(on_map) or math.isnan(on_query):
            near_in_time = later.stamp_ns - earlier.stamp_ns <= self._max_gap_ns
            return near_in_time and keyframes <= 2 * (later.step - earlier.step) + 1
        return abs(on_map - on_query) <= self._tolerance_m + 0.5 * on_query
