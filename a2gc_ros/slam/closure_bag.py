"""Closures as a recording of the messages that the node would publish, to be played to whatever listens to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from a2gc_ros.bags.message_types import CLOSURE, CLOSURES
from a2gc_ros.bags.writer import RecordingWriter
from a2gc_ros.errors import BagError
from a2gc_ros.loops.linking import Link
from a2gc_ros.loops.results import LoopClosure, Verification

TOPIC: Final = "/loop_closures"


def write_closures(links: Sequence[Link], path: Path) -> None:
    """Writes a recording with a message for each closure, on :data:`TOPIC`, stamped as its later image.

    The path is named as :class:`a2gc_ros.bags.writer.RecordingWriter` takes it, but for ROS 1.

    Raises:
        BagError: If it exists, cannot be written, or is one of ROS 1.
    """
    if path.suffix == ".bag":
        raise BagError(f"cannot write {path}: our messages are ROS 2's; let the name end in .mcap or .db3")
    writer = _ClosureWriter(path)
    with writer:
        for link in links:
            writer.add_closure(link.closure, link.query.frame_id)


class _ClosureWriter(RecordingWriter):
    """A recording of closures."""

    def add_closure(self, closure: LoopClosure, frame_id: str) -> None:
        """Adds a message with one closure."""
        stamp_ns = closure.match.query_stamp_ns + round(closure.held_s * 1e9)
        header = self._messages.header(stamp_ns, frame_id)
        self._write(TOPIC, CLOSURES, stamp_ns, header=header, candidates=[self._candidate(closure)])

    def _candidate(self, closure: LoopClosure) -> Any:
        match, checked = closure.match, closure.verification or Verification(False)
        pose, covariance = checked.relative_pose, checked.covariance
        seconds, nanoseconds = divmod(round(closure.held_s * 1e9), 1_000_000_000)
        return self._messages.new(
            CLOSURE,
            query_stamp=self._messages.header(match.query_stamp_ns, "").stamp,
            held=self._messages.new("builtin_interfaces/msg/Duration", sec=seconds, nanosec=nanoseconds),
            query_keyframe_id=-1 if closure.query_keyframe_id is None else closure.query_keyframe_id,
            map_index=match.map_index,
            session_id=match.session_id,
            keyframe_id=match.keyframe_id,
            keyframe_stamp=self._messages.header(match.keyframe_stamp_ns, "").stamp,
            similarity=match.similarity,
            probability=math.nan if closure.probability is None else closure.probability,
            verified=checked.verified,
            matches=checked.matches,
            inliers=checked.inliers,
            has_pose=pose is not None,
            scale_known=checked.scale_known,
            has_covariance=pose is not None and covariance is not None,
            relative_pose=self._messages.new(
                "geometry_msgs/msg/PoseWithCovariance",
                pose=self._messages.pose(np.eye(4) if pose is None else pose),
                covariance=np.zeros(36) if pose is None or covariance is None else covariance.reshape(36),
            ),
        )
