"""Writing keyframes into the tables."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from typing import Final

import numpy as np

from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.placemap.descriptors import checked, encode
from a2gc_ros.placemap.records import NewKeyframe, Session

INSERT_KEYFRAME: Final = (
    "INSERT INTO keyframes (session_id, stamp_ns, pose, travelled, frame_id, t_base_camera, intrinsics_id) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
INSERT_DESCRIPTOR: Final = "INSERT INTO descriptors (keyframe_id, data, crc32) VALUES (?, ?, ?)"


def insert_session(connection: sqlite3.Connection, name: str, source: str, identity: str = "") -> Session:
    """Inserts a session; the caller holds the transaction.

    ``source`` names the recording it is of, empty for a live run. ``identity`` is the UUID of a run that another map
    has already; where it is empty, a new one is drawn.
    """
    identity = identity or str(uuid.uuid4())
    cursor = connection.execute("INSERT INTO sessions (name, source, uuid) VALUES (?, ?, ?)", (name, source, identity))
    return Session(int(cursor.lastrowid or 0), name, source, identity)


def insert_keyframes(
    connection: sqlite3.Connection, session_id: int, keyframes: Sequence[NewKeyframe], dim: int
) -> list[int]:
    """Inserts keyframes and returns their ids; the caller holds the transaction.

    Raises:
        MapError: If the session is unknown or a descriptor does not fit.
    """
    if connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone() is None:
        raise MapError(f"there is no session {session_id} in this map: add it before its keyframes")
    return [_insert(connection, session_id, new, dim) for new in keyframes]


def _insert(connection: sqlite3.Connection, session_id: int, new: NewKeyframe, dim: int) -> int:
    descriptor = checked(new.descriptor, dim)
    if len(descriptor) != 1:
        raise MapError(f"a keyframe has one descriptor, not {len(descriptor)}: add a keyframe for each")
    values = (
        session_id,
        int(new.stamp_ns),
        _pose_bytes(new.pose, f"the pose of the keyframe at {new.stamp_ns} ns"),
        None if new.path_length is None else float(new.path_length),
        new.frame_id,
        _pose_bytes(new.t_base_camera, f"the camera's pose on the robot at {new.stamp_ns} ns"),
        camera_id(connection, new.intrinsics_json),
    )
    keyframe_id = int(connection.execute(INSERT_KEYFRAME, values).lastrowid or 0)
    connection.execute(INSERT_DESCRIPTOR, (keyframe_id, *encode(descriptor[0])))
    if new.image_jpeg is not None:
        connection.execute("INSERT INTO images VALUES (?, ?)", (keyframe_id, new.image_jpeg))
    if (features := new.features) is not None:
        connection.execute("INSERT INTO features VALUES (?, ?, ?)", (keyframe_id, features.kind, features.data))
    return keyframe_id


def _pose_bytes(pose: Pose | None, what: str) -> bytes | None:
    if pose is None:
        return None
    matrix = np.asarray(pose, dtype="<f8")
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise MapError(f"{what} is no finite 4x4 matrix: give one, or None where it is not known")
    return matrix.tobytes()


def camera_id(connection: sqlite3.Connection, text: str | None) -> int | None:
    """Returns the row of a calibration, which is inserted where it is new; the caller holds the transaction."""
    if text is None:
        return None
    connection.execute("INSERT OR IGNORE INTO intrinsics (json) VALUES (?)", (text,))
    return int(connection.execute("SELECT id FROM intrinsics WHERE json = ?", (text,)).fetchone()[0])
