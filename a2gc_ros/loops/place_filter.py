"""A Bayes filter over places: what the latest keyframes say together about where the robot is in the maps.

A place is a stretch of a session of a map, driven in the session's direction or against it. For each of them the filter
holds the odds that the robot is there rather than at no known place. Odometry moves them along the session; without
odometry, keyframes are counted. Only places that resembled one of the latest keyframes have odds of their own, all
others are as good as none, so the cost does not grow with the map.

Both explanations of a similarity are weighed. The robot is at the place: then similarities are large more often than
not. Or it is not, and the place only looks alike: how often that happens, how alike such places are, and how often the
next keyframe resembles the next stretch of the same wrong place too (corridors, floors, facades), is what
:mod:`a2gc_ros.loops.impostor_tail` measured in this map. A repetition that lasts makes a sequence prove little, and the
filter knows how little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from a2gc_ros.loops.drift import VIEW_M
from a2gc_ros.loops.impostor_tail import ImpostorTail
from a2gc_ros.loops.matching import LocatedMatch

FORWARD, BACKWARD = 1, -1

REVISIT: Final = 0.02
"""Probability that a robot at no known place comes to one with the next keyframe."""

LEAVE: Final = 0.02
"""Probability that a robot at a known place is at none with the next keyframe."""

FOUND, FOUND_AGAIN = 0.5, 0.8
"""Probability that a keyframe at a known place finds it above the level of the impostors: after one that did not, and
after one that did."""

GENUINE_SCALE: Final = 2.0
"""Mean excess over the level at the right place, in mean excesses of impostors: another season, another angle. Every
second time it is taken for anything between the level and one instead: the same light, the same angle."""

MOST: Final = 100.0
"""One similarity never makes a place this many times likelier: beyond the impostors seen, the tail is a guess."""

REACH_M: Final = 3.0
"""How far along its session the keyframe that resembles a query most may lie from the nearest one, metres."""

SLIP: Final = 0.3
"""Error of a way along two passes of one place, as a share of the way: lanes, corners, odometry."""

DRIFT: Final = 0.02
"""Error of ordinary odometry as a share of the way: places nearer than this may be two visits of one."""

REACH_KEYFRAMES: Final = 3
PACE: Final = 3.0
"""Without odometry: how many times more or fewer keyframes one pass of a stretch may have than another."""

KEPT: Final = 64
FORGOTTEN: Final = 1e-6


@dataclass(frozen=True)
class FilterStep:
    """A query that became a keyframe.

    Attributes:
        path_length: Metres from the session's begin, NaN without odometry.
        searched: How many keyframes of each map could have been found.
    """

    stamp_ns: int
    path_length: float
    searched: Sequence[int]


@dataclass(frozen=True)
class _Since:
    """A match, and how far the query has moved since: metres, NaN without odometry, and keyframes."""

    match: LocatedMatch
    way: float = 0.0
    steps: int = 0

    def moved(self, way: float) -> _Since:
        return _Since(self.match, self.way + way, self.steps + 1)

    def fits(self, now: LocatedMatch, direction: int) -> bool:
        on_map = direction * (now.path_length - self.match.path_length)
        if not math.isnan(on_map - self.way):
            return abs(on_map - self.way) <= REACH_M + SLIP * self.way
        keyframes = direction * (now.ordinal - self.match.ordinal)
        return self.steps / PACE - REACH_KEYFRAMES <= keyframes <= PACE * self.steps + REACH_KEYFRAMES


@dataclass(frozen=True)
class _Place:
    """A hypothesis: the robot is here, going this way.

    Attributes:
        odds: Against being at no known place.
        group: Which matches of the last update are here; -1 for none.
        seen: Whether the last similarity was above the impostors' level.
    """

    last: _Since
    begin: _Since
    direction: int
    odds: float
    group: int = -1
    seen: bool = False

    def reaches(self, other: LocatedMatch) -> bool:
        """Says whether the robot can be at this match now, by the way since the last match and by the whole way.

        The whole way keeps one keyframe that resembles everything from gathering evidence while the robot drives on.
        """
        return _one_session(self.last.match, other) and all(
            since.fits(other, self.direction) for since in (self.last, self.begin)
        )


class PlaceFilter:
    """Follows the robot along the maps' sessions, one keyframe at a time."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._groups: list[int] = []
        self._last: FilterStep | None = None

    def update(self, step: FilterStep, located: Sequence[LocatedMatch], tails: Sequence[ImpostorTail]) -> list[float]:
        """Takes in a keyframe and its matches.

        Args:
            step: The keyframe.
            located: Its matches, best first.
            tails: The impostors of each map, by map index.

        Returns:
            For each match the probability that the robot is at its place, float in [0, 1].
        """
        moved = self._moved(step)
        self._last, self._groups = step, _grouped(located)
        places: list[_Place] = []
        met: set[int] = set()
        # Matches side by side are one place: the best of them, whose number the group has, speaks.
        for at in sorted(set(self._groups)):
            best = located[at]
            tail = tails[best.match.map_index]
            birth = REVISIT / max(1, step.searched[best.match.map_index]) / 2
            for direction in (FORWARD, BACKWARD):
                before = [i for i, p in enumerate(moved) if p.direction == direction and p.reaches(best)]
                here = [moved[i] for i in before if i not in met]
                met.update(before)
                places.append(_meet(_Place(_Since(best), _Since(best), direction, birth, at), here, tail))
        for i, place in enumerate(moved):
            if i not in met:
                factor = _unseen(place.seen, tails[place.last.match.match.map_index])
                places.append(replace(place, odds=place.odds * factor, group=-1, seen=False))
        total = 1 + sum(p.odds for p in places)
        likely = sorted((p for p in places if p.odds > FORGOTTEN * total), key=lambda p: -p.odds)
        self._places = likely[:KEPT]
        return [self.probability(at) for at in range(len(located))]

    def probability(self, at: int) -> float:
        """Returns the probability that the robot is at the place of a match of the last update."""
        group = self._groups[at]
        own = [p for p in self._places if p.group == group]
        if not own:
            return 0.0
        rivals = sum(p.odds for p in self._places if p.group != group and _rivals(own[0].last.match, p.last.match))
        odds = sum(p.odds for p in own)
        return odds / (1 + odds + rivals)

    def believed(self) -> list[LocatedMatch]:
        """Returns where the robot was likelier than not at the last keyframe, as far as one place is likelier."""
        total = 1 + sum(p.odds for p in self._places)
        return [p.last.match for p in self._places if 2 * p.odds > total]

    def _moved(self, step: FilterStep) -> list[_Place]:
        """Returns the places with their odds after the way since the last keyframe."""
        last = self._last
        if last is None or step.stamp_ns < last.stamp_ns:
            return []
        way = step.path_length - last.path_length
        stay = (1 - LEAVE) / (1 - REVISIT + LEAVE * sum(p.odds for p in self._places))
        return [replace(p, odds=p.odds * stay, last=p.last.moved(way), begin=p.begin.moved(way)) for p in self._places]


def _grouped(located: Sequence[LocatedMatch]) -> list[int]:
    """Returns for each match the number of the best match of its place."""
    groups: list[int] = []
    for at, found in enumerate(located):
        near = [group for group in groups if _beside(located[group], found)]
        groups.append(near[0] if near else at)
    return groups


def _meet(new: _Place, before: Sequence[_Place], tail: ImpostorTail) -> _Place:
    """Returns the place of a match, with the odds of those that may have moved there and of a new beginning."""
    similarity = new.last.match.match.similarity
    seen = similarity > tail.level
    odds = sum(p.odds * (_seen(p.seen, similarity, tail) if seen else _unseen(p.seen, tail)) for p in (new, *before))
    leading = max((*before, new), key=lambda p: p.odds)
    return replace(leading, last=new.last, odds=odds, group=new.group, seen=seen)


def _seen(again: bool, similarity: float, tail: ImpostorTail) -> float:
    """Returns the factor on the odds of a place that showed above the level, and did so last time as well or not."""
    scale = GENUINE_SCALE * tail.scale
    genuine = (math.exp(-(similarity - tail.level) / scale) / scale + 1 / (1.01 - tail.level)) / 2
    impostor = max(tail.density(similarity), 1e-12)
    share = FOUND_AGAIN / tail.persistence if again else FOUND / tail.rate
    return share * min(MOST, genuine / impostor)


def _unseen(again: bool, tail: ImpostorTail) -> float:
    """Returns the factor on the odds of a place that did not show above the level."""
    return (1 - FOUND_AGAIN) / (1 - tail.persistence) if again else (1 - FOUND) / max(1e-3, 1 - tail.rate)


def _beside(a: LocatedMatch, b: LocatedMatch) -> bool:
    if not _one_session(a, b):
        return False
    if not math.isnan(a.path_length - b.path_length):
        return abs(a.path_length - b.path_length) <= REACH_M
    return abs(a.ordinal - b.ordinal) <= REACH_KEYFRAMES


def _rivals(a: LocatedMatch, b: LocatedMatch) -> bool:
    """Says whether a robot can be at no more than one of two places.

    It can be at both where they may be two visits of one place: near each other by odometry, or of different sessions,
    which nothing ties together.
    """
    if not _one_session(a, b):
        return False
    if math.isnan(a.path_length - b.path_length):
        return True
    apart = math.dist(a.position, b.position)
    return not apart <= VIEW_M + DRIFT * abs(a.path_length - b.path_length)


def _one_session(a: LocatedMatch, b: LocatedMatch) -> bool:
    return (a.match.map_index, a.match.session_id) == (b.match.map_index, b.match.session_id)
