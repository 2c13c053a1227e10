"""A keyframe that a query is compared with by local features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.query import Query
from a2gc_ros.loops.results import ComparedPair, Match, Stage
from a2gc_ros.loops.runs import NO_RUN, Run, VerifiedPair
from a2gc_ros.loops.verification import Comparison, View

NO_TIME: Final = "no time was left for it"


@dataclass
class Candidate:
    """A keyframe that a query is compared with, and how far the two came.

    Attributes:
        rank: Of the keyframe among its map's, by similarity.
        advance: By how much the keyframe resembles the query more than other places do, cosine.
        run: The strongest run through the two.
        reason: Why they came no farther.
        open: Whether their fate is not decided yet.
        refuted: Whether they turned out to be no pair of one place.
    """

    query: Query
    found: LocatedMatch
    rank: int
    comparison: Comparison = field(default_factory=Comparison)
    advance: float = math.nan
    run: Run = NO_RUN
    stage: Stage = Stage.COMPARED
    reason: str = NO_TIME
    open: bool = True
    refuted: bool = False

    @property
    def match(self) -> Match:
        """Query and keyframe."""
        return self.found.match

    @property
    def view(self) -> View:
        """The query's local features."""
        if self.query.view is None:
            raise ValueError("the query has no local features")
        return self.query.view

    @property
    def place(self) -> tuple[int, int]:
        """The query and the map; at most one closure is given out for them."""
        return self.query.step, self.match.map_index

    def verified_pair(self) -> VerifiedPair:
        """Returns the two as runs need them."""
        return VerifiedPair(
            self.query.step,
            self.query.way,
            (self.match.map_index, self.match.session_id),
            self.found.ordinal,
            self.found.path_length,
            self.comparison.matches,
            self.comparison.inliers,
            self.comparison.coverage,
            self.advance,
        )

    def record(self, stamp_ns: int) -> ComparedPair:
        """Returns what became of them, as decided by the frame with this stamp."""
        return ComparedPair(
            self.match,
            self.rank,
            self.comparison.matches,
            self.comparison.inliers,
            self.comparison.coverage,
            self.stage,
            self.reason,
            self.run.probability if self.run.length else None,
            self.run.share,
            self.run.advance,
            self.run.length,
            (stamp_ns - self.match.query_stamp_ns) / 1e9,
        )
