"""Depth images find the image of their moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from a2gc_ros.bags.recording import open_recording
from a2gc_ros.errors import BagError

STEP_NS = 100_000_000


def write(message_writer: Any, *, offset_ns: int, first: bool, missing: int = -1) -> None:
    """Six images, each with a depth image ``offset_ns`` later that says which it is, in metres."""
    with message_writer as writer:
        for i in range(1, 7):
            metres = np.full((24, 32), float(i), dtype=np.float32)
            depth = {"encoding": "32FC1", "step": 128, "data": metres.view(np.uint8).ravel()}
            stamp = i * STEP_NS
            actions = [lambda s=stamp: writer.image(s)]
            if i != missing:
                actions.append(
                    lambda s=stamp, d=depth: writer.image(s, header_ns=s + offset_ns, topic="/depth/image", **d)
                )
            for act in actions[::-1] if first else actions:
                act()


@pytest.mark.parametrize("offset_ns", [-15_000_000, 0, 15_000_000])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
def test_each_image_has_its_depth(message_writer: Any, offset_ns: int, first: bool, workers: int) -> None:
    write(message_writer, offset_ns=offset_ns, first=first)
    with open_recording(message_writer.path) as recording:
        frames = list(recording.frames("/image", depth_topic="/depth/image", workers=workers))
    assert [frame.stamp_ns for frame in frames] == [i * STEP_NS for i in range(1, 7)]
    assert [None if f.depth is None else float(f.depth[3, 4]) for f in frames] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_an_image_whose_depth_is_missing_goes_without(message_writer: Any) -> None:
    write(message_writer, offset_ns=0, first=False, missing=3)
    with open_recording(message_writer.path) as recording:
        frames = list(recording.frames("/image", depth_topic="/depth/image"))
    assert [frame.depth is not None for frame in frames] == [True, True, False, True, True, True]


def test_depth_of_another_moment_is_not_taken(message_writer: Any) -> None:
    write(message_writer, offset_ns=40_000_000, first=False)
    with open_recording(message_writer.path) as recording:
        assert all(frame.depth is None for frame in recording.frames("/image", depth_topic="/depth/image"))


def test_depth_is_read_only_when_named_and_must_exist(message_writer: Any) -> None:
    write(message_writer, offset_ns=0, first=False)
    with open_recording(message_writer.path) as recording:
        assert next(iter(recording.frames())).depth is None
        with pytest.raises(BagError, match="no topic /deep"):
            recording.frames(depth_topic="/deep")


def test_what_is_no_depth_image_is_counted(message_writer: Any) -> None:
    with message_writer as writer:
        writer.image(STEP_NS)
        writer.image(STEP_NS, topic="/depth/image")
    with open_recording(message_writer.path) as recording:
        frames = list(recording.frames("/image", depth_topic="/depth/image"))
        assert frames[0].depth is None
        assert recording.skips.total == 1
