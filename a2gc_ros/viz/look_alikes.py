"""Which keyframes of a map look alike, and what local features and odometry say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.placemap import Keyframe, PlaceMap
from a2gc_ros.viz.matched_features import match_features
from a2gc_ros.viz.page_data import Fate, MatchedFeatures, PairRow

MOST_COMPARED: Final = (240, 60)
"""Pairs whose local features are compared, the most alike first: of other or unknown places, and of one place."""

NEAR_M: Final = 15.0
FAR_M: Final = 25.0
"""By odometry, keyframes of one session nearer than the first show one place, those beyond the second do not."""


def positions(keyframes: Sequence[Keyframe]) -> npt.NDArray[np.float64]:
    """Returns where keyframes are, float64 (N, 3), metres in the frames of their sessions; NaN where unknown."""
    return np.array([[np.nan] * 3 if k.pose is None else k.pose[:3, 3] for k in keyframes]).reshape(-1, 3)


def most_alike(
    keyframes: Sequence[Keyframe], table: npt.NDArray[np.float32], gap_s: float
) -> tuple[dict[tuple[int, int], float], npt.NDArray[np.float64]]:
    """Finds for each keyframe the one most like it, and the one most like it that is not near by odometry.

    Args:
        keyframes: Of any sessions.
        table: float32 (N, N), their cosines.
        gap_s: Seconds that those of one session must lie apart.

    Returns:
        Rows of the later and of the earlier one with their cosine, the most alike first; and how alike the one that is
        not near is, float64 (N,), NaN without any.
    """
    sessions = np.array([keyframe.session_id for keyframe in keyframes])
    stamps = np.array([keyframe.stamp_ns for keyframe in keyframes], dtype=np.int64)
    places = positions(keyframes)
    strength = np.full(len(keyframes), np.nan)
    found: dict[tuple[int, int], float] = {}
    for row in range(len(keyframes)):
        own = sessions == sessions[row]
        now = own & (np.abs(stamps - stamps[row]) < gap_s * 1e9)
        here = own & (np.linalg.norm(places - places[row], axis=1) <= FAR_M)
        for left_out in (now, now | here):
            cosines = np.where(left_out, -np.inf, table[row])
            other = int(cosines.argmax())
            best = float(cosines[other]) if np.isfinite(cosines[other]) else np.nan
            if np.isfinite(best):
                found[max(row, other), min(row, other)] = best
        strength[row] = best
    return dict(sorted(found.items(), key=lambda entry: -entry[1])), strength


def compared(
    place_map: PlaceMap, keyframes: Sequence[Keyframe], alike: Mapping[tuple[int, int], float]
) -> tuple[list[PairRow], dict[int, MatchedFeatures]]:
    """Compares the local features of the pairs most alike, and says what odometry thinks of them.

    Args:
        place_map: Of the keyframes.
        keyframes: That the pairs count.
        alike: As :func:`most_alike` finds them.

    Returns:
        The pairs, and by their numbers which features match.
    """
    verifier = GeometricVerifier(LoopConfig())
    rows: list[PairRow] = []
    matches: dict[int, MatchedFeatures] = {}
    asked = [0, 0]
    for (query, keyframe), similarity in alike.items():
        a, b = keyframes[query], keyframes[keyframe]
        apart = None
        if a.session_id == b.session_id and a.pose is not None and b.pose is not None:
            apart = float(np.linalg.norm(a.pose[:3, 3] - b.pose[:3, 3]))
        one_place = None if apart is None or NEAR_M < apart <= FAR_M else apart <= NEAR_M
        found = None
        if asked[bool(one_place)] < MOST_COMPARED[bool(one_place)]:
            asked[bool(one_place)] += 1
            found = match_features(verifier, (place_map, a.id), (place_map, b.id))
        if found is None and not one_place:
            continue
        reason = "" if found is None or one_place else found.comparison.reason
        fate = Fate.CLOSURE if one_place else Fate.REFUSED if reason else Fate.NOT_SURE
        if found is not None:
            matches[len(rows)] = found.drawn
        rows.append(
            PairRow(
                query,
                keyframe,
                fate,
                0,
                similarity,
                inliers=0 if found is None else found.comparison.inliers,
                matches=None if found is None else found.comparison.matches,
                coverage=None if found is None else found.comparison.coverage,
                reason=reason,
                right=one_place,
                apart_m=apart,
            )
        )
    return rows, matches
