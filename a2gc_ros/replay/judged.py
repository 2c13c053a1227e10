"""A run with everything a report needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.replay.ground_truth import GroundTruthPath, RevisitRule, apart
from a2gc_ros.replay.records import OfKeyframe, RunRecord


@dataclass(frozen=True)
class Judged:
    """A run with everything a report needs.

    Attributes:
        recording: Name of the recording, for people.
        followed: The offline run over the same images, whose records tell all that was compared; ``run`` itself where
            that is it.
        live: The map that grew during the run, with that session only.
        path: True poses of the keyframes of ``live``; None where no truth is known.
        map_paths: True poses of the keyframes of the loaded maps, by map index.
        rule: When two images count as the same place.
        truth: Where the true poses come from, for people.
        facts: More numbers for the JSON file and the table.
    """

    recording: str
    run: RunRecord
    followed: RunRecord
    live: PlaceMap
    maps: Sequence[PlaceMap]
    config: LoopConfig
    path: GroundTruthPath | None
    map_paths: dict[int, GroundTruthPath]
    rule: RevisitRule
    truth: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What the live map and the loaded ones are called, by map index."""
        return ["this run", *(place_map.path.rsplit("/", 1)[-1] for place_map in self.maps)]

    @property
    def paths(self) -> dict[int, GroundTruthPath]:
        """True poses of the keyframes of all maps, by map index, where they are known."""
        return self.map_paths if self.path is None else {0: self.path, **self.map_paths}

    def right(self, stamp_ns: int, pair: OfKeyframe) -> bool | None:
        """Returns whether an image and a keyframe truly show one place; None where that is not known."""
        meters = apart(self.paths, stamp_ns, pair)
        return None if meters is None else meters <= self.rule.radius_m
