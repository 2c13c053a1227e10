"""Builds the index over a map's descriptors and keeps it in step with the file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.placemap.columns import ColumnRow, KeyframeColumns
from a2gc_ros.placemap.descriptors import RecentDescriptors, StoredDescriptors
from a2gc_ros.placemap.index import CompressedIndex, ExactIndex, GpuIndex, Index, IndexOptions
from a2gc_ros.placemap.index_build import BackgroundBuild, IndexBuild
from a2gc_ros.placemap.index_cache import CachedIndex, IndexCache

READ_ROWS: Final = 1024
STALE_SHARE: Final = 0.1
"""The cache is written again when this share of the rows is not in it."""

REFIT: Final = 2.0
"""An index is built anew when a map has grown to so many times the rows that it was fitted to."""

LEAD: Final = 1.1
"""The new one is in use from so many times those rows on, however fast the machine: runs give the same answers."""


class LiveIndex:
    """The index over one map's keyframes, built at first use and extended by what was stored since.

    Not thread-safe; the map's lock guards it. A thread of its own, that takes the lock for moments, builds the next
    index of a map that grows.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        dim: int,
        options: IndexOptions,
        cache: IndexCache | None,
        lock: threading.RLock,
    ) -> None:
        self.columns = KeyframeColumns()
        self._connection = connection
        self._dim = dim
        self._options = options
        self._cache = cache
        self._lock = lock
        self._stored = StoredDescriptors(connection, dim)
        self._recent = RecentDescriptors(self._stored, dim)
        self._index: Index | None = None
        self._next: BackgroundBuild | None = None
        self._next_at = 0
        self._fitted_rows = 0

    @property
    def index(self) -> Index:
        """The index, in step with the file at the last :meth:`synchronize`."""
        if self._index is None:
            self.synchronize()
        assert self._index is not None
        return self._index

    def synchronize(self) -> None:
        """Takes in every keyframe that was stored since the last call.

        Raises:
            MapError: If a descriptor is damaged.
        """
        if self._index is None:
            self._index = self._opened()
        for rows in self._read(self.columns.last_id):
            self.columns.append(rows)
            self._extend(self._index)
            self._renew()
        if self._next is not None and self._next_at == 0 and self._next.finished:
            self._replace(self._next)

    def stop(self) -> None:
        """Ends what is being built; the caller does not hold the map's lock."""
        if self._next is not None:
            self._next.stop()

    def _opened(self) -> Index:
        """Returns the index of a map that was just opened, and reads its columns."""
        if self._options.gpu:
            return GpuIndex(self._dim)
        cached = self._cache.read(self._dim) if self._cache else None
        if cached is not None:
            self.columns.extend(cached.columns)
        known = len(self.columns)
        for rows in self._read(self.columns.last_id):
            self.columns.append(rows)
        count = len(self.columns)
        if count < max(2, self._options.compress_from):
            exact = ExactIndex(self._dim)
            self._extend(exact)
            return exact
        if cached is None:
            index = self._build().finish()
            self._fitted_rows = count
        else:
            index = CompressedIndex(cached.projection, cached.coarse, self._fetch)
            self._fitted_rows = cached.fitted_rows
            self._extend(index)
        if count - known > STALE_SHARE * count:
            self._keep(index)
        if count >= REFIT * self._fitted_rows:
            # Whoever opens a map is not kept waiting: it is in use when it is ready.
            self._begin(0)
        return index

    def _renew(self) -> None:
        """Begins to build the next index of a map that has grown, or puts it in place."""
        count = len(self.columns)
        if self._options.gpu:
            return
        if self._next is None:
            begin = REFIT * self._fitted_rows if self._fitted_rows else max(2, self._options.compress_from)
            if count >= begin:
                self._begin(int(LEAD * count))
        elif 0 < self._next_at <= count:
            self._replace(self._next)

    def _replace(self, following: BackgroundBuild) -> None:
        self._next = None
        index = following.finish()
        self._fitted_rows = following.build.fitted_rows
        self._extend(index)
        self._index = index
        self._keep(index)

    def _begin(self, use_at: int) -> None:
        self._next_at = use_at
        self._next = BackgroundBuild(self._build(), self._lock)

    def _build(self) -> IndexBuild:
        return IndexBuild(self._stored, self.columns.ids, self._options, self._fetch)

    def _keep(self, index: CompressedIndex) -> None:
        if self._cache is not None:
            columns = self.columns.first(len(index))
            self._cache.write(CachedIndex(columns, self._fitted_rows, index.projection, index.coarse), self._dim)

    def _fetch(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return self._recent.take(self.columns.ids[rows])

    def _extend(self, index: Index) -> None:
        """Adds the rows that an index lacks."""
        while len(index) < len(self.columns):
            index.add(self._stored.take(self.columns.ids[len(index) : len(index) + READ_ROWS]))

    def _read(self, after: int) -> Iterator[list[ColumnRow]]:
        """Yields the keyframes with an id above ``after`` in order, some at a time."""
        query = "SELECT id, session_id, stamp_ns, travelled, pose FROM keyframes WHERE id > ? ORDER BY id LIMIT ?"
        while True:
            found = self._connection.execute(query, (after, READ_ROWS)).fetchall()
            if found:
                yield found
            if len(found) < READ_ROWS:
                return
            after = found[-1][0]
