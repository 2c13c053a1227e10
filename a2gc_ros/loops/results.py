"""What loop detection finds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose


@dataclass(frozen=True)
class Match:
    """A query frame and a keyframe that looks like it.

    Attributes:
        query_stamp_ns: Stamp of the query frame.
        map_index: 0 is the live session's map, 1 and above are the loaded maps in their order.
        keyframe_id: The keyframe in that map.
        session_id: Its session in that map.
        keyframe_stamp_ns: Its stamp.
        similarity: Cosine of the two descriptors.
    """

    query_stamp_ns: int
    map_index: int
    keyframe_id: int
    session_id: int
    keyframe_stamp_ns: int
    similarity: float


@dataclass(frozen=True)
class Verification:
    """What the geometry of two images says about a candidate.

    Attributes:
        verified: Whether the two images show the same place.
        inliers: Feature matches that agree with one geometry.
        matches: Feature matches before that.
        relative_pose: ``t_keyframeCamera_queryCamera``, or None where it cannot be known. Its translation has unit
            length unless ``scale_known``.
        covariance: Of the relative pose, (6, 6), translation before rotation, in the axes of the keyframe's camera;
            None where there is no pose. Without a known scale the translation's length means nothing and has no
            variance.
        scale_known: Whether the translation is in metres.
        reason: Why it was refused, or why there is no pose or no scale; empty when none of these.
    """

    verified: bool
    inliers: int = 0
    matches: int = 0
    relative_pose: Pose | None = None
    covariance: npt.NDArray[np.float64] | None = None
    scale_known: bool = False
    reason: str = ""


@dataclass(frozen=True)
class LoopClosure:
    """An accepted candidate.

    Attributes:
        match: The query frame and the keyframe.
        verification: The geometric check, or None where it is switched off.
        probability: That the two show the same place, from the similarities of the latest keyframes and the geometry;
            None where nobody asked.
        query_keyframe_id: The keyframe that the query became in the live map; None where it was not kept.
    """

    match: Match
    verification: Verification | None = None
    probability: float | None = None
    query_keyframe_id: int | None = None

    @property
    def is_relocalization(self) -> bool:
        """Whether the keyframe lies in a loaded map rather than in the live session's."""
        return self.match.map_index > 0


@dataclass
class Detection:
    """All that came of one frame.

    Attributes:
        stamp_ns: Stamp of the frame.
        keyframe_id: Its id in the live map if it became a keyframe.
        matches: The nearest keyframes of every map, best first.
        candidates: Those whose place is likely enough for a look at the geometry, likeliest first.
        closures: Accepted ones that agree with others, newest first; those that were held back name an earlier query.
        verifications: Each geometric check that was made, in order, with its candidate.
        timings_ms: Wall time per stage: search, calibration, filter, features, verification, store, agreement,
            total.
    """

    stamp_ns: int
    keyframe_id: int | None = None
    matches: list[Match] = field(default_factory=list)
    candidates: list[Match] = field(default_factory=list)
    closures: list[LoopClosure] = field(default_factory=list)
    verifications: list[tuple[Match, Verification]] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
