"""Maps of older formats.

Format 1 had no local features and did not know where the camera sits on the robot; format 2 had no index by session,
and its sessions had no identity beyond the map. All are additions: what an old map holds stays as it is, and whoever
needs features computes them from the kept images.
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import Final

from a2gc_ros.placemap.trust import INDEXES

FEATURES: Final = (
    "CREATE TABLE features ("
    "keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (id), kind TEXT NOT NULL, data BLOB NOT NULL)"
)

FROM_1_TO_2: Final = ("ALTER TABLE keyframes ADD COLUMN t_base_camera BLOB", FEATURES)
FROM_2_TO_3: Final = ("ALTER TABLE sessions ADD COLUMN uuid TEXT", *INDEXES.values())

AS_IF_2: Final = (
    "CREATE TEMP VIEW keyframes AS SELECT *, NULL AS t_base_camera FROM main.keyframes",
    "CREATE TEMP VIEW features AS SELECT NULL AS keyframe_id, NULL AS kind, NULL AS data WHERE 0",
)
AS_IF_3: Final = ("CREATE TEMP VIEW sessions AS SELECT *, NULL AS uuid FROM main.sessions",)
"""Temporary objects go before those of the file, and need no room in it."""


def migrate(connection: sqlite3.Connection, present: int, map_uuid: str) -> None:
    """Brings an open map to the present format; the caller holds the transaction."""
    version = _version(connection)
    if version >= present:
        return
    for statement in (*(FROM_1_TO_2 if version < 2 else ()), *FROM_2_TO_3):
        connection.execute(statement)
    named = [(identity, number) for number, identity in derived_uuids(connection, map_uuid).items()]
    connection.executemany("UPDATE sessions SET uuid = ? WHERE id = ?", named)
    connection.execute(f"PRAGMA user_version = {present}")


def view_as_present(connection: sqlite3.Connection) -> None:
    """Lets a map of an older format be read as one of the present, without changing the file."""
    version = _version(connection)
    for statement in (*(AS_IF_2 if version < 2 else ()), *(AS_IF_3 if version < 3 else ())):
        connection.execute(statement)


def derived_uuids(connection: sqlite3.Connection, map_uuid: str) -> dict[int, str]:
    """Returns an identity for each session of a map that gave them none: the same one, whoever asks.

    Copies of a map may have gone their own ways, so a session is known by what it is called, where it comes from and
    when it began.
    """
    query = (
        "SELECT id, name, source, (SELECT stamp_ns FROM keyframes WHERE session_id = s.id ORDER BY id LIMIT 1) "
        "FROM sessions s"
    )
    return {
        row[0]: str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, (map_uuid, *row)))))
        for row in connection.execute(query)
    }


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
