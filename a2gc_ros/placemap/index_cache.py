"""What of a large map's index is slow to derive, kept in the user's cache folder.

A file is used only when its checksum holds and it belongs to the rows of this very map. It lies in the user's own
folder, as compiled engines do, so that a map brings none along, and maps that cannot be written have one, too.

Layout, little-endian: 8 bytes magic, 32 bytes SHA-256 of all that follows, then an ``.npz`` without pickled objects:
``dim``, ``fitted_rows``, ``ids``, ``checks`` (CRC-32 of some rows' descriptors), ``sessions``, ``stamps_ns``,
``path_length``, ``positions``, ``mean``, ``matrix``, ``coarse`` (the index as faiss writes it).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from a2gc_ros.placemap.columns import STORED_COLUMNS
from a2gc_ros.placemap.projection import Projection
from a2gc_ros.system.files import draft_of
from a2gc_ros.system.folders import cache_folder

MAGIC: Final = b"A2GCIDX2"
DIGEST_BYTES: Final = 32
CHECKED_ROWS: Final = 256
MOST_FILES: Final = 64
"""Those used longest ago go first."""


@dataclass(frozen=True)
class CachedIndex:
    """An index over a map's first rows, and their columns.

    Attributes:
        columns: Of the rows: `STORED_COLUMNS`.
        fitted_rows: How many rows projection and lists were fitted to.
        projection: Of the descriptors.
        coarse: The index of faiss over the projected rows.
    """

    columns: dict[str, Any]
    fitted_rows: int
    projection: Projection
    coarse: Any


class IndexCache:
    """The kept index of one map."""

    def __init__(self, uuid: str, connection: sqlite3.Connection) -> None:
        # An identity from a file is no file name: it may be anything.
        self._name = hashlib.sha256(uuid.encode()).hexdigest()[:32]
        self._folder = cache_folder("maps")
        self._connection = connection
        self._read: Path | None = None

    def write(self, cached: CachedIndex, dim: int) -> None:
        """Keeps an index; where that cannot be, it is derived again."""
        ids = cached.columns["ids"]
        buffer = io.BytesIO()
        np.savez(
            buffer,
            dim=np.int64(dim),
            fitted_rows=np.int64(cached.fitted_rows),
            checks=self._checks(ids),
            **cached.columns,
            mean=cached.projection.mean,
            matrix=cached.projection.matrix,
            coarse=faiss.serialize_index(cached.coarse),
        )
        body = buffer.getbuffer()
        # Copies of a map that went their own ways have one identity: the last row tells them apart.
        path = self._folder / f"{self._name}-{self._mark(int(ids[-1]))}.index"
        with contextlib.suppress(OSError):
            with draft_of(path) as draft, draft.open("wb") as file:
                file.write(MAGIC + hashlib.sha256(body).digest())
                file.write(body)
            if self._read is not None and self._read != path:
                # What was extended.
                self._read.unlink(missing_ok=True)
            self._read = path
            self._tidy()

    def read(self, dim: int) -> CachedIndex | None:
        """Returns what was kept, or None where it is missing, damaged, or of other rows than the map's."""
        candidates = []
        for path in self._folder.glob(f"{self._name}-*.index"):
            last, _, _ = path.stem.removeprefix(f"{self._name}-").partition("-")
            if last.isdecimal() and path.stem == f"{self._name}-{self._mark(int(last))}":
                candidates.append((int(last), path))
        for _, path in sorted(candidates, reverse=True):
            if (found := self._read_file(path, dim)) is not None:
                self._read = path
                return found
        return None

    def _read_file(self, path: Path, dim: int) -> CachedIndex | None:
        try:
            with path.open("rb") as file:
                head = file.read(len(MAGIC) + DIGEST_BYTES)
                body = file.read()
            if head != MAGIC + hashlib.sha256(body).digest():
                return None
            with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
                found = self._restored(arrays, dim)
            if found is not None:
                os.utime(path)
            return found
        # Written by another version, perhaps of faiss.
        except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile):
            return None

    def _restored(self, arrays: Any, dim: int) -> CachedIndex | None:
        ids = arrays["ids"]
        if int(arrays["dim"]) != dim or not self._belongs(ids, arrays["checks"]):
            return None
        columns = {name: arrays[name] for name in STORED_COLUMNS}
        coarse = faiss.deserialize_index(arrays["coarse"])
        projection = Projection(arrays["mean"], arrays["matrix"])
        if {coarse.ntotal} != set(map(len, columns.values())) or projection.matrix.shape != (coarse.d, dim):
            return None
        return CachedIndex(columns, int(arrays["fitted_rows"]), projection, coarse)

    def _belongs(self, ids: npt.NDArray[np.int64], checks: npt.NDArray[np.int64]) -> bool:
        """Says whether these are the map's first rows, by their number and some of their descriptors."""
        if len(ids) == 0:
            return False
        # The number of all is read from the small index by session; later ones are few.
        query = "SELECT (SELECT COUNT(*) FROM keyframes) - (SELECT COUNT(*) FROM keyframes WHERE id > ?)"
        if self._connection.execute(query, (int(ids[-1]),)).fetchone()[0] != len(ids):
            return False
        return np.array_equal(self._checks(ids), checks)

    def _checks(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Returns the CRC-32 of the descriptors of rows spread evenly, the first and the last among them."""
        rows = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), CHECKED_ROWS)).astype(np.int64))
        query = "SELECT crc32 FROM descriptors WHERE keyframe_id = ?"
        found = [self._connection.execute(query, (int(ids[row]),)).fetchone() for row in rows]
        return np.array([-1 if row is None else row[0] for row in found], dtype=np.int64)

    def _mark(self, keyframe_id: int) -> str:
        """Returns what a file is called for its last row: the id, and the CRC-32 of the descriptor."""
        query = "SELECT crc32 FROM descriptors WHERE keyframe_id = ?"
        # SQLite's integers end where names of files do not.
        row = self._connection.execute(query, (min(keyframe_id, 2**63 - 1),)).fetchone()
        return f"{keyframe_id}-{'none' if row is None else row[0]}"

    def _tidy(self) -> None:
        files = sorted(self._folder.glob("*.index"), key=lambda file: file.stat().st_mtime)
        for file in files[:-MOST_FILES]:
            file.unlink(missing_ok=True)
