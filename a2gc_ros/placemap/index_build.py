"""Builds the compressed index over a map's rows, in small steps, so that it may be done beside other work."""

from __future__ import annotations

import threading
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from a2gc_ros.placemap import projection
from a2gc_ros.placemap.descriptors import Fetch, Half, StoredDescriptors, widened
from a2gc_ros.placemap.index import CompressedIndex, IndexOptions, coarse_index, sample_size

READ_ROWS: Final = 256
"""Read at once: two milliseconds for which others wait."""


class IndexBuild:
    """Fits projection and lists to rows spread evenly over the map, then adds all rows.

    Args:
        stored: Where descriptors are; used by :meth:`read` alone.
        ids: Ids of the keyframes of all rows.
        options: How it compresses.
        fetch: What the index refines with.
    """

    def __init__(
        self, stored: StoredDescriptors, ids: npt.NDArray[np.int64], options: IndexOptions, fetch: Fetch
    ) -> None:
        self._stored, self._ids, self._options, self._fetch = stored, ids, options, fetch
        size = sample_size(len(ids), options.lists_from)
        self._wanted = ids[np.unique(np.linspace(0, len(ids) - 1, size).astype(np.int64))]
        self._sample: list[Half] = []
        self._at = 0
        self.index: CompressedIndex | None = None

    @property
    def fitted_rows(self) -> int:
        """How many rows it is built over."""
        return len(self._ids)

    @property
    def finished(self) -> bool:
        """Whether all rows are in the index."""
        # Not by the index's own length: whoever uses it adds to it.
        return self.index is not None and self._at == len(self._ids)

    def read(self) -> Half:
        """Returns what the next step works on.

        Raises:
            MapError: If a descriptor is damaged.
        """
        source = self._wanted if self.index is None else self._ids
        return self._stored.take(source[self._at : self._at + READ_ROWS])

    def work(self, block: Half) -> None:
        """Does one step with what was read for it; needs no map."""
        self._at += len(block)
        if self.index is not None:
            self.index.add(block)
            return
        self._sample.append(block)
        if self._at < len(self._wanted):
            return
        sample = widened(np.concatenate(self._sample))
        self._sample, self._at = [], 0
        # Directions of a few thousand rows are those of all; lists want more of them.
        some = sample[np.linspace(0, len(sample) - 1, min(len(sample), projection.SAMPLE_ROWS)).astype(int)]
        fitted = projection.fit(some, self._options.reduced_dim)
        coarse = coarse_index(fitted.coarse(sample), len(self._ids), self._options.lists_from)
        self.index = CompressedIndex(fitted, coarse, self._fetch)

    def finish(self) -> CompressedIndex:
        """Does all that is left."""
        while not self.finished:
            self.work(self.read())
        assert self.index is not None
        return self.index


class BackgroundBuild:
    """Goes on with a build in a thread of its own, and lets whoever waits for the map in between."""

    def __init__(self, build: IndexBuild, lock: Any) -> None:
        self.build = build
        self._lock = lock
        self._step = threading.Lock()
        self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="map-index", daemon=True)
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do, or it failed; waits for nothing."""
        if not self._step.acquire(blocking=False):
            return False
        try:
            return self._error is not None or self.build.finished
        finally:
            self._step.release()

    def finish(self) -> CompressedIndex:
        """Does at once what is left; the caller holds the map's lock.

        Raises:
            MapError: If a descriptor is damaged.
        """
        with self._step:
            if self._error is not None:
                raise self._error
            # The thread, when it gets the lock again, finds nothing left to do.
            return self.build.finish()

    def stop(self) -> None:
        """Ends the thread; the caller does not hold the map's lock."""
        self._stopped = True
        self._thread.join()

    def _run(self) -> None:
        library: Any = faiss
        library.omp_set_num_threads(1)
        while not self._stopped:
            with self._lock:
                if self._stopped or self.build.finished:
                    return
                # Taken before the map is let go, so that no other takes over between reading and working.
                self._step.acquire()
                try:
                    block = self.build.read()
                except BaseException as error:
                    self._error = error
                    self._step.release()
                    return
            try:
                self.build.work(block)
            except BaseException as error:
                self._error = error
                return
            finally:
                self._step.release()
