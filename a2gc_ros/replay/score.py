"""Precision and recall of a run against true poses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros.evaluation.curves import Curve, precision_recall
from a2gc_ros.loops.results import Match
from a2gc_ros.replay.ground_truth import GroundTruthPath, RevisitRule, apart, revisiting
from a2gc_ros.replay.records import RunRecord


@dataclass(frozen=True)
class Score:
    """How a run did.

    Attributes:
        rule: When two images count as the same place.
        queries: Keyframes that were worked on and whose true pose is known.
        revisits: Of those, how many show a place that was there to be recognized, seen the same way.
        recognized: Of the revisits, how many have a right closure.
        closures: Accepted candidates that could be judged.
        right: Of those, how many are right.
        unjudged: Accepted candidates without a true pose for both images.
        distances_m: float64 (closures,), true distance between the two images of each closure.
        missed: Stamps of revisits without a right closure.
        curve: Of the best matches before any threshold; None when there were none to judge.
    """

    rule: RevisitRule
    queries: int
    revisits: int
    recognized: int
    closures: int
    right: int
    unjudged: int
    distances_m: npt.NDArray[np.float64]
    missed: tuple[int, ...]
    revisited: tuple[int, ...]
    curve: Curve | None

    @property
    def precision(self) -> float:
        """Right closures among the judged ones; NaN without any."""
        return self.right / self.closures if self.closures else math.nan

    @property
    def recall(self) -> float:
        """Recognized revisits among all; NaN without any."""
        return self.recognized / self.revisits if self.revisits else math.nan


def score(
    run: RunRecord,
    path: GroundTruthPath,
    maps: dict[int, GroundTruthPath],
    rule: RevisitRule,
    best_matches: Sequence[Match] = (),
) -> Score:
    """Judges a run.

    Args:
        run: What was recognized.
        path: True poses of the keyframes of the run, found by stamp; images between keyframes are not judged.
        maps: True poses of the keyframes of each loaded map, by map index (1, 2, ...), in the same world frame.
        rule: When two images count as the same place.
        best_matches: The most similar keyframe of each query before any threshold, for the curve.
    """
    indices = {q.stamp_ns: i for q in run.queries if (i := path.index_of(q.stamp_ns)) is not None}
    revisit = revisiting(path, maps.values(), rule)
    paths = {0: path, **maps}
    distances: list[float] = []
    missed = []
    unjudged = recognized = 0
    for query in run.queries:
        gaps = [apart(paths, query.stamp_ns, closure) for closure in query.closures]
        known = [gap for gap in gaps if gap is not None]
        unjudged += len(gaps) - len(known)
        distances += known
        i = indices.get(query.stamp_ns)
        if i is None or not revisit[i]:
            continue
        if any(gap <= rule.radius_m for gap in known):
            recognized += 1
        else:
            missed.append(query.stamp_ns)
    ranked = []
    for best in best_matches:
        i, gap = path.index_of(best.query_stamp_ns), apart(paths, best.query_stamp_ns, best)
        if i is not None and gap is not None:
            ranked.append((best.similarity, gap <= rule.radius_m, bool(revisit[i])))
    revisited = tuple(stamp_ns for stamp_ns, i in indices.items() if revisit[i])
    return Score(
        rule=rule,
        queries=len(indices),
        revisits=len(revisited),
        recognized=recognized,
        closures=len(distances),
        right=sum(gap <= rule.radius_m for gap in distances),
        unjudged=unjudged,
        distances_m=np.array(distances),
        missed=tuple(missed),
        revisited=revisited,
        curve=precision_recall(ranked, len(revisited)) if ranked else None,
    )
