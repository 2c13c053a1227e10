"""The settings of loop detection, validated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from a2gc_ros.errors import ConfigError
from a2gc_ros.loops.local_features import FEATURES
from a2gc_ros.placemap.selection import Spacing


def _setting(default: Any, help_text: str, low: float = -math.inf, high: float = math.inf) -> Any:
    return field(default=default, metadata={"help": help_text, "low": low, "high": high})


@dataclass(frozen=True)
class LoopConfig:
    """Settings of :class:`a2gc_ros.loops.detector.LoopDetector`.

    The defaults are strict: a missed loop costs drift, a false one ruins a map. Each field's metadata holds its
    description (``help``) and range (``low``, ``high``).

    Raises:
        ConfigError: If a value has the wrong type or is out of range.
    """

    k: int = _setting(10, "Nearest keyframes looked at in each map.", 1, 1000)
    max_false_positive_rate: float = _setting(
        0.003, "Largest probability of a closure to be false, by what the keyframes around it say.", 0.0, 1.0
    )
    threshold: float = _setting(-1.0, "Least similarity (cosine) of a candidate, besides; -1 asks for none.", -1.0, 1.0)
    min_time_gap_s: float = _setting(
        30.0, "Keyframes of the live session nearer in time than this are never matched, in seconds.", 0.0, 1e6
    )
    min_travel_m: float = _setting(
        10.0,
        "Keyframes of the live session nearer along the way than this are never matched, in metres; needs odometry.",
        0.0,
        1e6,
    )
    max_drift: float = _setting(
        0.1,
        "Largest error of odometry as a share of the way; a loop that needs more is refused. 1 switches the check off.",
        0.0,
        1.0,
    )
    min_agreeing: int = _setting(
        3, "Keyframes, itself counted, whose closures must agree before one is given out.", 1, 20
    )
    hold_keyframes: int = _setting(
        6, "For how many keyframes a pair waits until later ones agree; 0 gives out what is sure at once.", 0, 1000
    )
    verify: bool = _setting(True, "Check candidates by local features and epipolar geometry.")
    max_verifications: int = _setting(
        5, "Nearest keyframes per map that a keyframe's features are compared with.", 1, 100
    )
    max_verification_ms: float = _setting(
        0.0,
        "Milliseconds a keyframe's comparisons and poses may take; what is left waits for the next one. 0: no limit, "
        "and the same list whatever the machine.",
        0.0,
        1e6,
    )
    features: str = _setting("sift", "Local features: sift, corners for half its time, or orb for small computers.")
    max_features: int = _setting(1000, "Local features per image.", 50, 20000)
    min_inliers: int = _setting(14, "Least feature matches that agree with one geometry.", 8, 10000)
    min_inlier_ratio: float = _setting(0.4, "Least share of the feature matches that agree.", 0.0, 1.0)
    min_coverage: float = _setting(0.1, "Least share of either image over which they are spread.", 0.0, 1.0)
    keyframe_distance_m: float = _setting(1.0, "Metres between keyframes of the live session.", 0.0, 1e4)
    keyframe_angle_rad: float = _setting(0.5, "Radians turned between keyframes of the live session.", 0.0, 7.0)
    keyframe_similarity: float = _setting(
        0.9, "Without odometry: a frame less similar than this to the last keyframe becomes one.", -1.0, 1.0
    )
    keyframe_min_interval_s: float = _setting(
        0.2, "Without odometry: least seconds between frames considered as keyframes.", 0.0, 1e4
    )
    store_images: bool = _setting(
        True, "Keep an image with each live keyframe, to look at and to find other features in."
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            wanted = type(entry.default)
            fits = isinstance(value, (int, float) if wanted is float else wanted)
            if not fits or (isinstance(value, bool) and wanted is not bool):
                raise ConfigError(f"{entry.name} is {value!r}, it must be a {wanted.__name__}")
            low, high = entry.metadata["low"], entry.metadata["high"]
            if wanted in (int, float) and not low <= value <= high:
                raise ConfigError(f"{entry.name} is {value}, it must lie between {low:g} and {high:g}")
        if self.features not in FEATURES:
            raise ConfigError(f"features is {self.features!r}, it must be one of {', '.join(FEATURES)}")

    @property
    def spacing(self) -> Spacing:
        """The keyframe spacing of the live session."""
        return Spacing(
            distance_m=self.keyframe_distance_m,
            angle_rad=self.keyframe_angle_rad,
            similarity=self.keyframe_similarity,
            min_interval_s=self.keyframe_min_interval_s,
        )
