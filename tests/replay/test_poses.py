"""What a run says of its poses: how many, why others are missing, and what would change it."""

from __future__ import annotations

import pytest

from a2gc_ros.replay.poses import pose_facts, pose_note
from a2gc_ros.replay.records import ClosureRecord, QueryRecord

POSE = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))
METRES = ClosureRecord(1, 0, 0.9, 50, True, 0.99, POSE, True)
DIRECTION = ClosureRecord(1, 0, 0.9, 50, True, 0.99, POSE, False, None, "no scale: the map has no odometry there")


def bare(reason: str) -> ClosureRecord:
    return ClosureRecord(1, 0, 0.9, 50, True, reason=reason)


def test_closures_are_counted_by_what_is_known() -> None:
    facts = pose_facts([QueryRecord(1, (METRES, DIRECTION)), QueryRecord(2, (bare("no pose: x"), bare("no pose: x")))])
    assert facts == {
        "in_metres": 1,
        "direction_only": 1,
        "none": 2,
        "why": {"no pose: x": 2, "no scale: the map has no odometry there": 1},
    }
    assert pose_note(facts) == ""


@pytest.mark.parametrize(
    ("closure", "words"),
    [
        (DIRECTION, ("no odometry there", "record odometry or /tf")),
        (bare("no pose: there is no camera_info for it"), ("no camera_info", "record the camera's camera_info")),
        (bare("no pose: the map holds no calibration of its camera"), ("build the map from a recording",)),
        (bare("no scale: the camera's pose on the robot is not known"), ("record /tf_static",)),
    ],
)
def test_why_none_has_metres_is_said_with_what_would_change_it(closure: ClosureRecord, words: tuple[str, ...]) -> None:
    note = pose_note(pose_facts([QueryRecord(1, (closure,))]))
    assert note.startswith("none of the 1 closures has a pose in metres: ")
    assert all(word in note for word in words)


def test_a_reason_that_says_what_to_do_stands_alone() -> None:
    reason = "no pose: the images are 640x360 and the calibration is of 640x480, another shape; calibrate the camera"
    assert pose_note(pose_facts([QueryRecord(1, (bare(reason),))])).endswith(reason)


def test_a_run_without_closures_says_nothing() -> None:
    assert pose_note(pose_facts([QueryRecord(1)])) == ""
