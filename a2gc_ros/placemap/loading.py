"""Reading keyframes from the tables."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from a2gc_ros.geometry import MAX_COORDINATE_M, Pose
from a2gc_ros.placemap.records import Keyframe


def keyframes(connection: sqlite3.Connection, condition: str, values: tuple[int, ...]) -> list[Keyframe]:
    """Returns keyframes.

    Args:
        connection: The map.
        condition: What follows FROM, of a statement in which the keyframes are ``k``.
        values: Of its places.

    Raises:
        TypeError, ValueError: If the file holds what no map does.
    """
    query = (
        "SELECT k.id, k.session_id, k.stamp_ns, k.pose, k.travelled, k.frame_id, i.json, k.t_base_camera "
        f"FROM keyframes k LEFT JOIN intrinsics i ON i.id = k.intrinsics_id {condition}"
    )
    return [_keyframe(row) for row in connection.execute(query, values)]


def _keyframe(row: tuple[Any, ...]) -> Keyframe:
    keyframe_id, session_id, stamp_ns, pose, path_length, frame_id, intrinsics, mounted = row
    way = None if path_length is None else float(path_length)
    if not isinstance(frame_id, str) or not isinstance(intrinsics, (str, type(None))):
        raise TypeError(f"keyframe {keyframe_id} has bytes where its texts should be")
    return Keyframe(
        keyframe_id, int(session_id), int(stamp_ns), _matrix(pose), way, frame_id, intrinsics, _matrix(mounted)
    )


def blob(value: object) -> bytes:
    """Returns a blob; a number in its place would be taken for a length."""
    if not isinstance(value, bytes):
        raise TypeError(f"it has {type(value).__name__} where bytes should be")
    return value


def _matrix(data: bytes | None) -> Pose | None:
    if data is None:
        return None
    data = blob(data)
    pose = np.frombuffer(data, dtype="<f8").reshape(4, 4).copy()
    # Written so that NaN fails too.
    if not (np.abs(pose) <= MAX_COORDINATE_M).all():
        raise ValueError("a pose in it is not finite, or beyond all measure")
    return pose
