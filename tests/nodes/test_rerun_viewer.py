"""What the viewer draws anew, and what it says; the viewer at work is in tests/ros."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
pytest.importorskip("a2gc_msgs.msg", reason="needs a2gc_msgs: make venv")

from builtin_interfaces.msg import Duration

from a2gc_msgs.msg import LoopClosureCandidate
from a2gc_ros.nodes.rerun_viewer import BLOCK, MOVED_M, Blocks, in_words


def way(count: int) -> np.ndarray:
    return np.stack([np.arange(count), np.zeros(count), np.zeros(count)], axis=1).astype(np.float32)


@pytest.mark.parametrize("overlap", [0, 1])
def test_what_grows_is_drawn_at_its_end(overlap: int) -> None:
    blocks = Blocks()
    drawn: dict[int, np.ndarray] = {}
    for count in (3, BLOCK, BLOCK + 1, 2 * BLOCK + 5):
        changed = dict(blocks.changed(way(count), overlap))
        drawn |= changed
        assert not list(blocks.changed(way(count), overlap))
    assert sorted(changed) == [1, 2]
    # A line goes on from block to block; a point stands in one.
    whole = np.concatenate([block[: BLOCK if number < 2 else None] for number, block in sorted(drawn.items())])
    np.testing.assert_array_equal(whole, way(2 * BLOCK + 5))
    assert len(drawn[0]) == BLOCK + overlap


def test_what_moves_or_goes_is_drawn_anew() -> None:
    blocks = Blocks()
    list(blocks.changed(way(2 * BLOCK), 0))
    assert not list(blocks.changed(way(2 * BLOCK) + np.float32(0.9 * MOVED_M), 0))
    moved = way(2 * BLOCK)
    moved[-1, 1] = 2 * MOVED_M
    assert [number for number, _ in blocks.changed(moved, 0)] == [1]
    fewer = dict(blocks.changed(way(0), 0))
    assert {number: len(block) for number, block in fewer.items()} == {0: 0, 1: 0}
    assert [number for number, _ in blocks.changed(way(2), 0)] == [0]


def test_a_closure_is_said_in_one_line() -> None:
    candidate = LoopClosureCandidate(keyframe_id=7, similarity=0.61, probability=math.nan)
    assert in_words(candidate) == "loop closure: keyframe 7, similarity 0.61"
    candidate = LoopClosureCandidate(
        map_index=2,
        keyframe_id=7,
        similarity=0.61,
        probability=0.99871,
        verified=True,
        matches=50,
        inliers=40,
        held=Duration(sec=1, nanosec=500_000_000),
    )
    assert in_words(candidate) == (
        "relocalization in map 2: keyframe 7, similarity 0.61, 40 of 50 features agree, probability 0.9987, 1.5 s ago"
    )
