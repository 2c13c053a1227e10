"""A keyframe that is looked for, with all that the gates need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.pairwise_consistency import PlacedClosure
from a2gc_ros.loops.results import LoopClosure
from a2gc_ros.loops.verification import View
from a2gc_ros.placemap import Keyframe, PlaceMap


@dataclass(frozen=True)
class Query:
    """A keyframe that is looked for: a frame on its way into the live map, or one of a stored session.

    Attributes:
        descriptor: Of its image, float32 (D,).
        view: Its local features; None where nothing is verified.
        step: Counts the keyframes of the session.
        path_length: Metres since the session began, or None.
        located: Its matches, best first.
        excluded: Ids of keyframes that are never matched with it, by the number of their map.
        ruled_out: Those of the live map among them where odometry says that the robot is not.
    """

    frame: Frame | Keyframe
    descriptor: npt.NDArray[np.float32]
    view: View | None
    step: int
    path_length: float | None
    located: list[LocatedMatch]
    excluded: Mapping[int, npt.NDArray[np.int64]]
    ruled_out: npt.NDArray[np.int64]

    @property
    def way(self) -> float:
        """Metres since the session began, NaN where unknown."""
        return float("nan") if self.path_length is None else self.path_length

    def placed(self, closure: LoopClosure, place_map: PlaceMap, keyframe_id: int) -> PlacedClosure:
        """Returns a closure of this query, which became a keyframe, with what odometry says of its two ends.

        Raises:
            MapError: If the map of the closure's keyframe cannot be read.
        """
        keyframe = place_map.keyframe(closure.match.keyframe_id)
        return PlacedClosure(
            replace(closure, query_keyframe_id=keyframe_id),
            self.step,
            self.frame.pose,
            self.path_length,
            keyframe.pose,
            keyframe.path_length,
            self.frame.t_base_camera,
            # Maps that do not say were made by a robot alike, as far as anyone knows.
            self.frame.t_base_camera if keyframe.t_base_camera is None else keyframe.t_base_camera,
        )
