"""Maps of older formats.

Format 1 had no local features and did not know where the camera sits on the robot. Both are additions: what an old map
holds stays as it is, and whoever needs features computes them from the kept images.
"""

from __future__ import annotations

import sqlite3
from typing import Final

FEATURES: Final = (
    "CREATE TABLE features ("
    "keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (id), kind TEXT NOT NULL, data BLOB NOT NULL)"
)

FROM_1_TO_2: Final = ("ALTER TABLE keyframes ADD COLUMN t_base_camera BLOB", FEATURES)

AS_IF_2: Final = (
    "CREATE TEMP VIEW keyframes AS SELECT *, NULL AS t_base_camera FROM main.keyframes",
    "CREATE TEMP VIEW features AS SELECT NULL AS keyframe_id, NULL AS kind, NULL AS data WHERE 0",
)
"""Temporary objects go before those of the file, and need no room in it."""


def migrate(connection: sqlite3.Connection, present: int) -> None:
    """Brings an open map to the present format; the caller holds the transaction."""
    if _version(connection) == 1:
        for statement in FROM_1_TO_2:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {present}")


def view_as_present(connection: sqlite3.Connection) -> None:
    """Lets a map of an older format be read as one of the present, without changing the file."""
    if _version(connection) == 1:
        for statement in AS_IF_2:
            connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
