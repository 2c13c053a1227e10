"""What a map file holds: its tables, and what it says about itself.

``application_id`` and ``user_version`` of the SQLite header name the format and its version, so a file can be told
from any other without reading a table.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import trust
from a2gc_ros.placemap.records import Manifest

APPLICATION_ID: Final = 0x41324743  # "A2GC"
FORMAT_VERSION: Final = 3
MAX_DIMENSION: Final = 1 << 17
"""Longest descriptor that a map may say it has; those of the largest published models have 2 to the power of 15."""

TABLES: Final = """
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, uuid TEXT
);
CREATE TABLE intrinsics (
    id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE
);
CREATE TABLE keyframes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    stamp_ns INTEGER NOT NULL,
    pose BLOB,
    travelled REAL,
    frame_id TEXT NOT NULL,
    intrinsics_id INTEGER REFERENCES intrinsics (id),
    t_base_camera BLOB
);
CREATE TABLE descriptors (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (id),
    crc32 INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE images (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (id),
    jpeg BLOB NOT NULL
);
CREATE TABLE features (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (id),
    kind TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE progress (
    source TEXT PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    frames INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
"""


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Runs a block as one transaction: all of it is stored when the block ends, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def write_manifest(connection: sqlite3.Connection, manifest: Manifest) -> None:
    """Stores the manifest, identity and time of creation filled in; the caller holds the transaction."""
    entries = {
        "fingerprint": manifest.fingerprint,
        "descriptor_dim": str(manifest.descriptor_dim),
        "model_name": manifest.model_name,
        "uuid": manifest.uuid or str(uuid.uuid4()),
        "created_ns": str(manifest.created_ns or time.time_ns()),
        "settings": json.dumps(manifest.settings, sort_keys=True),
    }
    connection.executemany("INSERT OR REPLACE INTO manifest VALUES (?, ?)", entries.items())


def read_manifest(connection: sqlite3.Connection, path: str | Path) -> Manifest:
    """Reads the manifest.

    Raises:
        MapError: If an entry is missing or makes no sense.
    """
    entries = dict(connection.execute("SELECT key, value FROM manifest"))
    try:
        settings = json.loads(entries["settings"])
        manifest = Manifest(
            fingerprint=entries["fingerprint"],
            descriptor_dim=int(entries["descriptor_dim"]),
            model_name=entries["model_name"],
            uuid=entries["uuid"],
            created_ns=int(entries["created_ns"]),
            settings=settings if isinstance(settings, dict) else {},
        )
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise MapError(f"{path} is damaged (its manifest: {error!r}): restore it from a copy") from error
    if not 1 <= manifest.descriptor_dim <= MAX_DIMENSION:
        raise MapError(f"{path} is damaged (descriptors of length {manifest.descriptor_dim}): restore it from a copy")
    return manifest


def lay_out(connection: sqlite3.Connection, manifest: Manifest) -> None:
    """Makes the tables of an empty map."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    with transaction(connection):
        for statement in (*TABLES.split(";"), *trust.INDEXES.values()):
            connection.execute(statement)
        write_manifest(connection, manifest)
    connection.execute("PRAGMA journal_mode = WAL")
