"""Builds the index over a map's descriptors and keeps it in step with the file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from a2gc_ros.placemap import index_cache, projection
from a2gc_ros.placemap.columns import ColumnRow, KeyframeColumns
from a2gc_ros.placemap.descriptors import Half, decode
from a2gc_ros.placemap.index import CompressedIndex, ExactIndex, GpuIndex, Index
from a2gc_ros.placemap.index_cache import CachedIndex

READ_ROWS: Final = 1024
STALE_SHARE: Final = 0.1
"""The cache is written again when this share of the rows is not in it."""


@dataclass(frozen=True)
class IndexOptions:
    """When and how descriptors are compressed.

    Attributes:
        compress_from: Number of keyframes from which a map that is opened gets the compressed index. A map that grows
            beyond it keeps its exact index until it is opened again, so that no frame ever waits for a rebuild.
        reduced_dim: Dimensions that are kept before quantising.
        gpu: Whether to search on a GPU instead, uncompressed.
    """

    compress_from: int = 10_000
    reduced_dim: int = 512
    gpu: bool = False


class LiveIndex:
    """The index over one map's keyframes, built at first use and extended by what was stored since.

    Not thread-safe; the map's lock guards it.

    Args:
        connection: The map.
        dim: Length of a descriptor.
        options: When to compress.
        cache: Where the derived data may be kept, or None.
        uuid: The map's identity, for the cache.
        may_write: Whether the cache may be written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        dim: int,
        options: IndexOptions,
        cache: Path | None,
        uuid: str,
        may_write: bool,
    ) -> None:
        self.columns = KeyframeColumns()
        self._connection = connection
        self._dim = dim
        self._options = options
        self._cache = cache
        self._uuid = uuid
        self._may_write = may_write
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """The index, in step with the file at the last :meth:`synchronise`."""
        if self._index is None:
            self.synchronise()
        assert self._index is not None
        return self._index

    def synchronise(self) -> None:
        """Takes in every keyframe that was stored since the last call.

        Raises:
            MapError: If a descriptor is damaged.
        """
        if self._index is None:
            count = self._connection.execute("SELECT COUNT(*) FROM keyframes").fetchone()[0]
            if self._options.gpu:
                self._index = GpuIndex(self._dim)
            elif count >= max(2, self._options.compress_from):
                self._index = self._compressed()
            else:
                self._index = ExactIndex(self._dim)
        for rows, descriptors in self._read(self.columns.last_id):
            self._index.add(descriptors)
            self.columns.append(rows)

    def _compressed(self) -> CompressedIndex:
        cached = index_cache.read(self._cache, self._uuid, self._dim) if self._cache else None
        if cached is not None and not self._belongs(cached):
            cached = None
        fitted = cached.projection if cached else projection.fit(self._sample(), self._options.reduced_dim)
        index = CompressedIndex(fitted)
        projected: list[Half] = []
        known = len(cached.projected) if cached else 0
        for rows, descriptors in self._read(0):
            start = len(self.columns)
            stop = start + len(rows)
            if cached is not None and stop <= known:
                part = cached.projected[start:stop]
            else:
                part = fitted.apply_half(descriptors)
            index.add_projected(descriptors, part)
            self.columns.append(rows)
            projected.append(part)
        if len(index) - known > STALE_SHARE * len(index) and self._cache is not None and self._may_write:
            # Derived data: where it cannot be kept it is derived again.
            with contextlib.suppress(OSError):
                whole = CachedIndex(fitted, np.concatenate(projected), self.columns.last_id)
                index_cache.write(self._cache, self._uuid, whole)
        return index

    def _belongs(self, cached: CachedIndex) -> bool:
        """Says whether the cache's rows are the first rows of this map, by their number and the last of them."""
        count = self._connection.execute("SELECT COUNT(*) FROM keyframes WHERE id <= ?", (cached.last_id,)).fetchone()[
            0
        ]
        last = self._connection.execute(
            "SELECT data, crc32 FROM descriptors WHERE keyframe_id = ?", (cached.last_id,)
        ).fetchone()
        if count != len(cached.projected) or last is None:
            return False
        descriptor = decode(last[0], last[1], self._dim, cached.last_id)[np.newaxis]
        again = cached.projection.apply_half(descriptor)[0]
        return bool(np.allclose(again, cached.projected[-1], atol=0.01))

    def _sample(self) -> np.ndarray:
        """Returns evenly spread descriptors, float32, shape (N, D)."""
        ids = [row[0] for row in self._connection.execute("SELECT id FROM keyframes ORDER BY id")]
        chosen = np.linspace(0, len(ids) - 1, min(len(ids), projection.SAMPLE_ROWS)).astype(int)
        sample = np.empty((len(chosen), self._dim), dtype=np.float32)
        query = "SELECT data, crc32 FROM descriptors WHERE keyframe_id = ?"
        for at, row in enumerate(np.unique(chosen)):
            data, crc32 = self._connection.execute(query, (ids[row],)).fetchone()
            sample[at] = decode(data, crc32, self._dim, ids[row])
        return sample[: len(np.unique(chosen))]

    def _read(self, after: int) -> Iterator[tuple[list[ColumnRow], Half]]:
        """Yields the keyframes with an id above ``after`` in order, some at a time."""
        query = (
            "SELECT k.id, k.session_id, k.stamp_ns, k.travelled, k.pose, d.data, d.crc32 FROM keyframes k "
            "LEFT JOIN descriptors d ON d.keyframe_id = k.id WHERE k.id > ? ORDER BY k.id LIMIT ?"
        )
        while True:
            found = self._connection.execute(query, (after, READ_ROWS)).fetchall()
            if found:
                descriptors = np.stack([decode(f[5] or b"", f[6] or 0, self._dim, f[0]) for f in found])
                yield [f[:5] for f in found], descriptors
            if len(found) < READ_ROWS:
                return
            after = found[-1][0]
