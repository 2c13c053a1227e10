"""Several maps of one extractor as one."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import shards
from a2gc_ros.placemap.opening import require_new, writing_to
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.placemap.storing import INSERT_KEYFRAME, camera_id, insert_session
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
    require_new(Path(out))
    with contextlib.ExitStack() as stack:
        maps = [stack.enter_context(PlaceMap.open(source, read_only=True)) for source in sources]
        first = maps[0].manifest
        for other in maps[1:]:
            other.require(first.fingerprint, first.model_name)
        if not any(len(source) for source in maps):
            names = ", ".join(map(str, sources))
            raise MapError(f"{names} hold no keyframes, so there is nothing to merge: name maps that hold some")
        with written_whole(Path(out), replace(first, uuid="", created_ns=0)) as merged:
            copy_keyframes(maps, merged)


@contextlib.contextmanager
def written_whole(target: Path, manifest: Manifest) -> Iterator[PlaceMap]:
    """Lends a new map that appears under its name only when the block ends without an error.

    Raises:
        MapError: If the file exists, is being written, or cannot be written.
    """
    require_new(target)
    unfinished = target.with_name(target.name + ".merging")
    with writing_to(target), WriterLock(target):
        unfinished.unlink(missing_ok=True)
        try:
            with PlaceMap.create(unfinished, manifest) as fresh:
                yield fresh
            publish(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)


def copy_keyframes(sources: Sequence[PlaceMap], merged: PlaceMap, without: Container[int] = ()) -> None:
    """Copies all sessions of some maps into an empty one; what several have of a session once, in the order of stamps.

    Args:
        sources: Are only read.
        merged: Of the same extractor.
        without: Ids of keyframes that stay behind, of one source.

    Raises:
        MapError: If one is damaged, parts of a recording are missing, or the other cannot be written.
    """
    with contextlib.ExitStack() as stack:
        rows = [stack.enter_context(source.reading()) for source in sources]
        copies = [_Copy(connection, source) for connection, source in zip(rows, sources, strict=True)]
        shards.require_all(row for copy in copies for row in copy.progress)
        ranks: dict[str, int] = {}
        held = Counter(session.uuid for copy in copies for session in copy.sessions.values())
        order = []
        for number, copy in enumerate(copies):
            for old, session, stamp_ns in copy.rows.execute(
                "SELECT id, session_id, stamp_ns FROM keyframes ORDER BY id"
            ):
                identity = copy.sessions[session].uuid
                rank = ranks.setdefault(identity, len(ranks))
                # Where one map has a session, its own order holds, whatever the clock did.
                order.append((rank, stamp_ns, number, old) if held[identity] > 1 else (rank, 0, number, old))
        if any(count > 1 for count in held.values()):
            order.sort()
        with merged.transaction() as out:
            for copy in copies:
                copy.begin(out)
            seen: set[tuple[int, int, int | None]] = set()
            for _, _, number, old in order:
                if old not in without:
                    copies[number].keyframe(out, old, seen)
            for copy in copies:
                copy.finish(out)


class _Copy:
    """Copies one map's rows."""

    def __init__(self, rows: sqlite3.Connection, source: PlaceMap) -> None:
        self.rows = rows
        self.sessions = {session.id: session for session in source.sessions()}
        self.progress = rows.execute("SELECT * FROM progress").fetchall()
        self._new_sessions: dict[int, int] = {}
        self._cameras: dict[int | None, int | None] = {None: None}

    def begin(self, out: sqlite3.Connection) -> None:
        """Copies what keyframes refer to."""
        for old, session in self.sessions.items():
            row = out.execute("SELECT id FROM sessions WHERE uuid = ?", (session.uuid,)).fetchone()
            new = row[0] if row else insert_session(out, session.name, session.source, session.uuid).id
            self._new_sessions[old] = new
        for old, text in self.rows.execute("SELECT id, json FROM intrinsics"):
            self._cameras[old] = camera_id(out, text)

    def keyframe(self, out: sqlite3.Connection, old: int, seen: set[tuple[int, int, int | None]]) -> None:
        """Copies a keyframe, unless one of its session with this stamp and descriptor came from another map."""
        query = (
            "SELECT session_id, stamp_ns, pose, travelled, frame_id, t_base_camera, intrinsics_id FROM keyframes "
            "WHERE id = ?"
        )
        session, *middle, camera = self.rows.execute(query, (old,)).fetchone()
        row = self.rows.execute("SELECT crc32 FROM descriptors WHERE keyframe_id = ?", (old,)).fetchone()
        key = (self._new_sessions[session], middle[0], None if row is None else row[0])
        if key in seen:
            return
        seen.add(key)
        new = out.execute(INSERT_KEYFRAME, (self._new_sessions[session], *middle, self._cameras[camera])).lastrowid
        for table, columns in (("descriptors", "crc32, data"), ("images", "jpeg"), ("features", "kind, data")):
            row = self.rows.execute(f"SELECT {columns} FROM {table} WHERE keyframe_id = ?", (old,)).fetchone()
            if row is not None:
                places = ", ".join("?" * (1 + len(row)))
                out.execute(f"INSERT INTO {table} (keyframe_id, {columns}) VALUES ({places})", (new, *row))

    def finish(self, out: sqlite3.Connection) -> None:
        """Copies how far recordings were read."""
        for name, session, frames, finished, state in self.progress:
            out.execute(
                "INSERT OR IGNORE INTO progress VALUES (?, ?, ?, ?, ?)",
                (name, self._new_sessions[session], frames, finished, shards.without_shard(state)),
            )
