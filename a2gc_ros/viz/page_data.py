"""What several views of a page look at: keyframes, and pairs of them that were compared."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from a2gc_ros.viz.album import Album


class Fate(IntEnum):
    """What became of a pair, as the page's program counts."""

    REFUSED = 0
    NOT_SURE = 1
    NOT_GIVEN_OUT = 2
    CLOSURE = 3


@dataclass(frozen=True)
class Spot:
    """A keyframe of a page.

    Attributes:
        seconds: Since its session began.
        stamp_ns: Its stamp.
        position: x and y, metres; None where unknown.
        map_index: 0 for the run, n for the n-th of the page's maps.
    """

    seconds: float
    stamp_ns: int
    position: tuple[float, float] | None = None
    map_index: int = 0


@dataclass(frozen=True)
class PairRow:
    """Two keyframes that were compared; indices into the page's keyframes.

    Attributes:
        query: The newer one.
        keyframe: The older one.
        fate: What became of them.
        rank: 0 for the most similar keyframe of its map.
        similarity: Cosine.
        probability: That both show one place; None where nobody asked.
        inliers: Features that agree.
        matches: Features that match; None where that is not known.
        coverage: Share of the image over which they are spread; None likewise.
        share: Of its run, inliers over matches; None likewise.
        advance: Of its run, cosine above that of other places; None likewise.
        length: Of its run.
        held_s: Seconds that it waited.
        reason: Why no farther; empty where nothing is to be said.
        right: Whether both truly show one place; None where that is not known.
        apart_m: Metres between the two, by truth or odometry; None where unknown.
        pose: The pose between them, for people.
    """

    query: int
    keyframe: int
    fate: Fate
    rank: int
    similarity: float
    probability: float | None = None
    inliers: int = 0
    matches: int | None = None
    coverage: float | None = None
    share: float | None = None
    advance: float | None = None
    length: int = 0
    held_s: float = 0.0
    reason: str = ""
    right: bool | None = None
    apart_m: float | None = None
    pose: str = ""


@dataclass(frozen=True)
class MatchedFeatures:
    """Features of two pictures that match.

    Attributes:
        ends: float64 (N, 4), x and y in the query's picture and in the keyframe's, as shares of their size; those that
            agree with one camera motion first.
        inliers: How many do.
    """

    ends: npt.NDArray[np.float64]
    inliers: int

    def as_json(self) -> dict[str, Any]:
        """Returns it as the page's program reads it: uint16, little-endian, base64."""
        steps = np.clip(np.round(self.ends * 65535), 0, 65535).astype("<u2")
        return {"ends": base64.b64encode(steps.tobytes()).decode("ascii"), "inliers": self.inliers}


@dataclass(frozen=True)
class PageData:
    """Keyframes, pairs and pictures.

    Attributes:
        spots: The run's keyframes in order of time, then those of loaded maps.
        pairs: That were compared.
        pictures: Of the spots.
        matches: By number of the pair.
        maps: Names; the run's own first.
        first: The pair to be looked at first; None leaves it to the page.
        words: What the page calls a closure (``closure``), any other pair (``pair``), the way between the two
            (``apart``), who knows the truth (``by``), and the fates (``stages``).
    """

    spots: Sequence[Spot]
    pairs: Sequence[PairRow]
    pictures: Album
    matches: Mapping[int, MatchedFeatures] = field(default_factory=dict)
    maps: Sequence[str] = ("this run",)
    first: int | None = None
    words: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns it as the page's program reads it: column by column."""
        reasons = sorted({pair.reason for pair in self.pairs if pair.reason})
        number = {reason: at for at, reason in enumerate(reasons)}
        return {
            "keyframes": {
                "t": [round(spot.seconds, 3) for spot in self.spots],
                # A number of nanoseconds is more than a number of JavaScript holds.
                "stamp": [str(spot.stamp_ns) for spot in self.spots],
                "x": [None if spot.position is None else round(spot.position[0], 3) for spot in self.spots],
                "y": [None if spot.position is None else round(spot.position[1], 3) for spot in self.spots],
                "map": [spot.map_index for spot in self.spots],
            },
            "pairs": {
                "q": [pair.query for pair in self.pairs],
                "k": [pair.keyframe for pair in self.pairs],
                "stage": [int(pair.fate) for pair in self.pairs],
                "rank": [pair.rank for pair in self.pairs],
                "s": [round(pair.similarity, 4) for pair in self.pairs],
                "p": [_rounded(pair.probability, 8) for pair in self.pairs],
                "i": [pair.inliers for pair in self.pairs],
                "m": [pair.matches for pair in self.pairs],
                "c": [_rounded(pair.coverage, 3) for pair in self.pairs],
                "sh": [_rounded(pair.share, 3) for pair in self.pairs],
                "adv": [_rounded(pair.advance, 3) for pair in self.pairs],
                "len": [pair.length for pair in self.pairs],
                "held": [round(pair.held_s, 2) for pair in self.pairs],
                "reason": [number.get(pair.reason, -1) for pair in self.pairs],
                "right": [pair.right for pair in self.pairs],
                "apart": [_rounded(pair.apart_m, 2) for pair in self.pairs],
                "pose": [pair.pose for pair in self.pairs],
            },
            "reasons": reasons,
            "matches": {str(at): matches.as_json() for at, matches in self.matches.items()},
            "album": list(self.pictures.pictures),
            "album_type": self.pictures.type,
            "aspect": round(self.pictures.aspect, 4),
            "maps": list(self.maps),
            "first": self.first,
            "words": {"apart": "truly apart", "by": "in truth", **self.words},
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
