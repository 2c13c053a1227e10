"""Writing keyframes into the tables."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from a2gc_ros.errors import MapError
from a2gc_ros.geometry import Pose
from a2gc_ros.placemap.descriptors import checked, encode
from a2gc_ros.placemap.records import FeatureBlob, NewKeyframe, Session


def insert_session(connection: sqlite3.Connection, name: str, source: str, identity: str = "") -> Session:
    """Inserts a session; the caller holds the transaction.

    Args:
        connection: The map.
        name: For people.
        source: Identity of the recording, or what makes it live.
        identity: UUID of a run that another map has already; a new one is drawn where it is empty.
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
    return insert_row(
        connection,
        session_id,
        (
            int(new.stamp_ns),
            _pose_bytes(new.pose, f"the pose of the keyframe at {new.stamp_ns} ns"),
            None if new.path_length is None else float(new.path_length),
            new.frame_id,
            _pose_bytes(new.t_base_camera, f"the camera's pose on the robot at {new.stamp_ns} ns"),
        ),
        new.intrinsics_json,
        encode(descriptor[0]),
        new.image_jpeg,
        new.features,
    )


def insert_row(
    connection: sqlite3.Connection,
    session_id: int,
    values: tuple[Any, ...],
    camera: str | None,
    descriptor: tuple[bytes, int],
    jpeg: bytes | None,
    features: FeatureBlob | None,
) -> int:
    """Inserts a keyframe as the tables hold it and returns its id; the caller holds the transaction.

    Args:
        connection: The map.
        session_id: Its session.
        values: Stamp, pose, metres travelled, the camera's frame, the camera's pose on the robot.
        camera: Calibration as JSON; all keyframes of one camera share it.
        descriptor: Bytes and CRC-32.
        jpeg: The picture.
        features: The local features.
    """
    cursor = connection.execute(
        "INSERT INTO keyframes (session_id, stamp_ns, pose, travelled, frame_id, t_base_camera, intrinsics_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (session_id, *values, camera_id(connection, camera)),
    )
    keyframe_id = int(cursor.lastrowid or 0)
    connection.execute(
        "INSERT INTO descriptors (keyframe_id, data, crc32) VALUES (?, ?, ?)", (keyframe_id, *descriptor)
    )
    if jpeg is not None:
        connection.execute("INSERT INTO images VALUES (?, ?)", (keyframe_id, jpeg))
    if features is not None:
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
