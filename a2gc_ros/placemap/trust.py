"""What is asked of a map file before anything in it is believed: a file may come from anyone.

Only tables are allowed. A view or trigger would run SQL of whoever made the file, as long as they like, and so would an
expression in a table; SQLite's own advice for files that are not trusted is followed beside that
(https://www.sqlite.org/security.html).
"""

from __future__ import annotations

import re
import sqlite3
from typing import Final

LONGEST_VALUE: Final = 16 * 1024**2
"""Bytes of a text or blob in a map; the largest that are stored, features and images, are well below."""

LONGEST_STATEMENT: Final = 100_000

_LIMIT_LENGTH: Final = 0
_LIMIT_SQL_LENGTH: Final = 1

COLUMNS: Final = {
    "manifest": ("key", "value"),
    "sessions": ("id", "name", "source"),
    "intrinsics": ("id", "json"),
    "keyframes": ("id", "session_id", "stamp_ns", "pose", "travelled", "frame_id", "intrinsics_id"),
    "descriptors": ("keyframe_id", "crc32", "data"),
    "images": ("keyframe_id", "jpeg"),
    "progress": ("source", "session_id", "frames", "finished", "state"),
}
"""Tables and columns of a map since its first format."""

INDEXES: Final = {
    "keyframes_of_session": "CREATE INDEX keyframes_of_session ON keyframes (session_id)",
    "sessions_by_uuid": "CREATE UNIQUE INDEX sessions_by_uuid ON sessions (uuid)",
}
"""All that a map may have beside those of its keys, word for word."""

_EXPRESSIONS: Final = re.compile(r"\b(check|generated|virtual|default)\b|\bas\s*\(", re.IGNORECASE)


def be_careful(connection: sqlite3.Connection) -> None:
    """Limits what a file can make SQLite do; the first thing done on a connection."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # Python 3.10 cannot set limits, and does not know their numbers.
    if hasattr(connection, "setlimit"):
        connection.setlimit(_LIMIT_LENGTH, LONGEST_VALUE)
        connection.setlimit(_LIMIT_SQL_LENGTH, LONGEST_STATEMENT)


def problem_with_schema(connection: sqlite3.Connection) -> str:
    """Returns what a file holds that no map does, or lacks that every map has; empty where nothing.

    Reads the list of what is in the file alone: nothing of it runs.
    """
    tables = {}
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM main.sqlite_master"):
        if kind not in ("table", "index"):
            return f"it holds a {str(kind)[:20]} named {str(name)[:40]!r}, which no map has"
        if kind == "index" and sql is not None and sql != INDEXES.get(str(name)):
            return f"it holds an index named {str(name)[:40]!r}, which no map has"
        if kind == "table":
            if _EXPRESSIONS.search(str(sql)):
                return f"its table {str(name)[:40]!r} is defined by an expression, which no map's is"
            tables[str(name)] = str(sql)
    for table, wanted in COLUMNS.items():
        if table not in tables:
            return f"it has no table {table}"
        found = {str(row[1]) for row in connection.execute(f"PRAGMA main.table_info({table})")}
        if absent := [column for column in wanted if column not in found]:
            return f"its table {table} has no column {absent[0]}"
    return ""


def sentence(path: object, error: Exception) -> str:
    """Says of an error of SQLite whether the file is busy, out of reach, or damaged, and what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    lower = text.lower()
    if "locked" in lower or "busy" in lower:
        return f"{path} is busy ({text}): another program works on it; wait for that, or stop it"
    if "is full" in lower:
        return f"{path} cannot be written ({text}): make room on the disk"
    if "readonly" in lower or "read-only" in lower:
        return f"{path} cannot be written ({text}): open it read-only, or copy it to a writable folder"
    if "unable to open" in lower or "disk i/o" in lower or isinstance(error, OSError):
        return f"{path} cannot be read or written ({text}): check the file's permissions, its folder and the disk"
    return f"{path} is damaged ({text}): restore it from a copy, or build it again"
