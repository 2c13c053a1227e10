"""What loop detection finds."""

from __future__ import annotations

import contextlib
import enum
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose
from a2gc_ros.loops.runs import VerifiedPair


@dataclass(frozen=True)
class Match:
    """A query frame and a keyframe that looks like it.

    Attributes:
        map_index: 0 is the live session's map, 1 and above are the loaded maps in their order.
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
        verification: The geometric check, or None where it is switched off.
        probability: That the two show the same place, from what the keyframes around say; None where nobody asked.
        query_keyframe_id: The keyframe that the query became in the live map; None where it was not kept.
        held_s: How long it waited for later frames to agree, in seconds between their stamps; 0 where it came with its
            own frame.
    """

    match: Match
    verification: Verification | None = None
    probability: float | None = None
    query_keyframe_id: int | None = None
    held_s: float = 0.0

    @property
    def is_relocalization(self) -> bool:
        """Whether the keyframe lies in a loaded map rather than in the live session's."""
        return self.match.map_index > 0


class Stage(str, enum.Enum):
    """How far a compared pair came, in order."""

    COMPARED = "compared"
    """Its local features were compared, and they do not agree with one camera motion."""
    VERIFIED = "verified"
    """They agree, but the frames around it never made the place likely enough."""
    SURE = "sure"
    """The place was likely enough, but the pose contradicts the map or other closures, or another keyframe of the
    same place was given out."""
    GIVEN_OUT = "given out"
    """It became a closure."""


@dataclass(frozen=True)
class ComparedPair:
    """A query and a keyframe that were compared, and what became of them.

    Attributes:
        rank: 0 for the most similar keyframe of its map, 1 for the next.
        matches: Local features that were matched.
        inliers: Those that agree with one camera motion.
        coverage: Share of either image over which they are spread.
        reason: Why no farther, for people; empty where it was given out.
        probability: That it shows one place, when it was decided; None where the check refused it.
        share: Of its run: inliers over matches; NaN where the check refused it.
        advance: Of its run: by how much its keyframes resemble the queries more than other places do, cosine; NaN
            likewise.
        length: Of its run: how many queries it has; 0 likewise.
        held_s: Seconds from its frame to the one that decided; 0 where that was its own.
    """

    match: Match
    rank: int
    matches: int
    inliers: int
    coverage: float
    stage: Stage
    reason: str = ""
    probability: float | None = None
    share: float = math.nan
    advance: float = math.nan
    length: int = 0
    held_s: float = 0.0


@dataclass
class Detection:
    """All that came of one frame.

    Attributes:
        keyframe_id: Its id in the live map if it became a keyframe.
        matches: The nearest keyframes of every map, best first.
        candidates: Those whose local features were compared, best first; where the geometric check is switched off,
            those whose place is likely enough, likeliest first.
        closures: Accepted ones that agree with others, newest first; those that were held back name an earlier query.
        verified: Pairs compared with this frame whose features agree with one camera motion, with their matches.
        postponed: How many comparisons and poses wait for the next keyframe, because no time was left for them.
        verifications: Each pose that was looked for, in order, with its match; some are about earlier queries.
        decided: Pairs of which this frame decided what becomes of them; each comes once, with this frame or up to
            ``hold_keyframes`` keyframes after its own. What still waits at the end, `LoopDetector.waiting` gives.
        timings_ms: Wall time per stage: search, features, comparison, store, evidence, location, agreement, total;
            without the geometric check search, calibration, filter, store, agreement, total.
    """

    stamp_ns: int
    keyframe_id: int | None = None
    matches: list[Match] = field(default_factory=list)
    candidates: list[Match] = field(default_factory=list)
    closures: list[LoopClosure] = field(default_factory=list)
    verified: list[tuple[Match, VerifiedPair]] = field(default_factory=list)
    postponed: int = 0
    verifications: list[tuple[Match, Verification]] = field(default_factory=list)
    decided: list[ComparedPair] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Notes how many milliseconds a stage took."""
        begin = time.perf_counter()
        yield
        self.timings_ms[stage] = (time.perf_counter() - begin) * 1e3
