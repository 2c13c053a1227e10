"""Several maps of one extractor as one."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from a2gc_ros.errors import MapError
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.placemap.storing import insert_session
from a2gc_ros.placemap.writer_lock import WriterLock
from a2gc_ros.system.files import publish


def merge(sources: Sequence[str | Path], out: str | Path) -> None:
    """Writes a map that holds all sessions of several maps; sessions stay apart, and one that several have is one.

    Keyframe and session ids are given anew, in the order of the sources. The map appears under its name only when it
    is complete.

    Args:
        sources: Map files of one extractor.
        out: The map to write; must not exist.

    Raises:
        MapError: If a source is no map or of another extractor than the first, none has a keyframe, or ``out`` exists.
    """
    if not sources:
        raise MapError(f"{out} cannot be merged of nothing: name at least one map")
    with contextlib.ExitStack() as stack:
        target = Path(out)
        if target.exists():
            raise MapError(f"{target} exists already: choose another name, or delete it first")
        maps = [stack.enter_context(PlaceMap.open(source, read_only=True)) for source in sources]
        first = maps[0].manifest
        for other in maps[1:]:
            other.require(first.fingerprint, first.model_name)
        if not any(len(source) for source in maps):
            raise MapError(f"{', '.join(map(str, sources))} hold no keyframes, so there is nothing to merge")
        with written_whole(target, replace(first, uuid="", created_ns=0)) as merged:
            for source in maps:
                copy_keyframes(source, merged)


@contextlib.contextmanager
def written_whole(target: Path, manifest: Manifest) -> Iterator[PlaceMap]:
    """Lends a new map that appears under its name only when the block ends without an error.

    Raises:
        MapError: If the file exists, is being written, or cannot be written.
    """
    if target.exists():
        raise MapError(f"{target} exists already: choose another name, or delete it first")
    unfinished = target.with_name(target.name + ".merging")
    try:
        with WriterLock(target):
            unfinished.unlink(missing_ok=True)
            try:
                with PlaceMap.create(unfinished, manifest) as fresh:
                    yield fresh
                publish(unfinished, target)
            finally:
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise MapError(f"{target} cannot be written ({error}): check the folder and the free space") from error


def copy_keyframes(source: PlaceMap, merged: PlaceMap, without: Container[int] = ()) -> None:
    """Copies all sessions of a map into another, and the keyframes that are not there yet.

    Args:
        source: Is only read.
        merged: Of the same extractor.
        without: Ids of keyframes that stay behind.

    Raises:
        MapError: If one is damaged, or the other cannot be written.
    """
    with source.reading() as rows, merged.transaction() as out:
        sessions, held = {}, {}
        for session in source.sessions():
            row = out.execute("SELECT id FROM sessions WHERE uuid = ?", (session.uuid,)).fetchone()
            if row is None:
                sessions[session.id] = insert_session(out, session.name, session.source, session.uuid).id
            else:
                sessions[session.id], held[session.id] = row[0], _held(out, row[0])
        cameras: dict[int | None, int | None] = {None: None}
        for old, text in rows.execute("SELECT id, json FROM intrinsics"):
            out.execute("INSERT OR IGNORE INTO intrinsics (json) VALUES (?)", (text,))
            cameras[old] = out.execute("SELECT id FROM intrinsics WHERE json = ?", (text,)).fetchone()[0]
        query = (
            "SELECT k.id, k.session_id, k.stamp_ns, k.pose, k.travelled, k.frame_id, k.t_base_camera, "
            "k.intrinsics_id FROM keyframes k ORDER BY k.id"
        )
        for old, session, *middle, camera in rows.execute(query):
            if old in without or (session in held and (middle[0], _checksum(rows, old)) in held[session]):
                continue
            new = out.execute(
                "INSERT INTO keyframes (session_id, stamp_ns, pose, travelled, frame_id, t_base_camera, intrinsics_id) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (sessions[session], *middle, cameras[camera]),
            ).lastrowid
            _copy_data(rows, out, old, new)
        for name, session, *rest in rows.execute("SELECT * FROM progress"):
            out.execute("INSERT OR IGNORE INTO progress VALUES (?, ?, ?, ?, ?)", (name, sessions[session], *rest))


def _held(out: sqlite3.Connection, session_id: int) -> set[tuple[int, int | None]]:
    """Returns stamps and descriptors' checksums of a session that another map brought."""
    query = (
        "SELECT k.stamp_ns, d.crc32 FROM keyframes k LEFT JOIN descriptors d ON d.keyframe_id = k.id "
        "WHERE k.session_id = ?"
    )
    return set(out.execute(query, (session_id,)))


def _checksum(rows: sqlite3.Connection, keyframe_id: int) -> int | None:
    row = rows.execute("SELECT crc32 FROM descriptors WHERE keyframe_id = ?", (keyframe_id,)).fetchone()
    return None if row is None else int(row[0])


def _copy_data(rows: sqlite3.Connection, out: sqlite3.Connection, old: int, new: int | None) -> None:
    for table, columns in (("descriptors", "crc32, data"), ("images", "jpeg"), ("features", "kind, data")):
        row = rows.execute(f"SELECT {columns} FROM {table} WHERE keyframe_id = ?", (old,)).fetchone()
        if row is not None:
            places = ", ".join("?" * (1 + len(row)))
            out.execute(f"INSERT INTO {table} (keyframe_id, {columns}) VALUES ({places})", (new, *row))
