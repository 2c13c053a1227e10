"""Which closures of a run have a pose, and why others have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from a2gc_ros.replay.records import QueryRecord

_REMEDIES: Final = (
    ("there is no camera_info", "record the camera's camera_info beside its images"),
    ("a camera is not calibrated", "record the camera's camera_info beside its images"),
    ("holds no calibration", "build the map from a recording with the camera's camera_info"),
    ("pose on the robot", "record /tf_static with the way from the robot's base to the camera"),
    ("no odometry", "record odometry or /tf, and build the map with it"),
    ("seen from two keyframes", "place keyframes closer, or build the map with depth images"),
    ("switched off", "set verify to true"),
)


def pose_facts(queries: Sequence[QueryRecord]) -> dict[str, Any]:
    """Counts closures by what is known of their pose.

    Returns:
        ``in_metres``, ``direction_only`` and ``none``: closures with a pose in metres, with its direction alone, and
        without one; ``why``: how often each reason was given for the latter two.
    """
    closures = [closure for query in queries for closure in query.closures]
    posed = [closure for closure in closures if closure.relative_pose is not None]
    in_meters = sum(closure.scale_known for closure in posed)
    why = Counter(closure.reason for closure in closures if closure.reason)
    return {
        "in_metres": in_meters,
        "direction_only": len(posed) - in_meters,
        "none": len(closures) - len(posed),
        "why": dict(why.most_common()),
    }


def pose_note(facts: dict[str, Any]) -> str:
    """Says why no closure has a pose in metres, and what would change it; empty where some have, or there is none."""
    without = facts["direction_only"] + facts["none"]
    if facts["in_metres"] or not without:
        return ""
    reason = next(iter(facts["why"]), "nothing says why")
    remedy = next((remedy for word, remedy in _REMEDIES if word in reason), "")
    return f"none of the {without} closures has a pose in metres: {reason}" + (f"; {remedy}" if remedy else "")
