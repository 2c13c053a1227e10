"""Which database images are right for a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

Positives = NDArray[np.int64]


class Truth(Sequence[Positives]):
    """For each query, the right rows of the database, int64, ascending; worked out when asked."""

    def __init__(self, count: int) -> None:
        self._count = count

    def of(self, query: int) -> Positives:
        """The right rows for one query."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, query: int) -> Positives: ...
    @overload
    def __getitem__(self, query: slice) -> Sequence[Positives]: ...
    def __getitem__(self, query: int | slice) -> Positives | Sequence[Positives]:
        """The right rows for a query, or for several."""
        asked = range(self._count)[query]
        return self.of(asked) if isinstance(asked, int) else [self.of(number) for number in asked]


class ListedTruth(Truth):
    """Rows that were written down for each query, in any order."""

    def __init__(self, rows: Sequence[NDArray[np.int64]]) -> None:
        super().__init__(len(rows))
        self._rows = rows

    def of(self, query: int) -> Positives:
        """The rows that were listed."""
        return np.unique(self._rows[query]).astype(np.int64)


class RadiusTruth(Truth):
    """Images taken at most some metres apart, and where headings are known, looking the same way.

    Args:
        queries: float64 (Q, 2), positions in metres.
        database: float64 (N, 2), in the same frame.
        metres: Largest distance that is right, itself included.
        headings: Of queries (Q,) and database (N,), radians; None does not ask for them.
        degrees: Largest difference of headings that is right.
    """

    def __init__(
        self,
        queries: NDArray[np.float64],
        database: NDArray[np.float64],
        metres: float,
        headings: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
        degrees: float = 180.0,
    ) -> None:
        super().__init__(len(queries))
        self._queries, self._database, self._metres = queries, database, metres
        self._headings, self._radians = headings, np.radians(degrees)
        # A strip of the database, found by bisection, is all that a query is compared with.
        self._order = np.argsort(database[:, 0], kind="stable")
        self._east = database[self._order, 0]

    def of(self, query: int) -> Positives:
        """The rows within the radius."""
        position = self._queries[query]
        first = np.searchsorted(self._east, position[0] - self._metres, side="left")
        last = np.searchsorted(self._east, position[0] + self._metres, side="right")
        rows = self._order[first:last]
        away = self._database[rows] - position
        right = np.hypot(away[:, 0], away[:, 1]) <= self._metres
        if self._headings is not None:
            turn = self._headings[1][rows] - self._headings[0][query]
            right &= np.abs(np.arctan2(np.sin(turn), np.cos(turn))) <= self._radians
        return np.sort(rows[right]).astype(np.int64)


class FrameTruth(Truth):
    """Frames of two synchronized drives: query i shows frame ``every * i``, and those up to ``tolerance`` beside it."""

    def __init__(self, queries: int, database: int, tolerance: int, every: int = 1) -> None:
        super().__init__(queries)
        self._database, self._tolerance, self._every = database, tolerance, every

    def of(self, query: int) -> Positives:
        """The frames around the same place."""
        middle = query * self._every
        return np.arange(
            max(0, middle - self._tolerance), min(self._database, middle + self._tolerance + 1), dtype=np.int64
        )


class PastTruth(Truth):
    """Another truth, of which only the first ``seen`` rows of the database count, int64 (Q,): a run's past."""

    def __init__(self, truth: Truth, seen: NDArray[np.int64]) -> None:
        super().__init__(len(truth))
        self._truth, self._seen = truth, seen

    def of(self, query: int) -> Positives:
        """The right rows among those that count."""
        rows = self._truth.of(query)
        return rows[rows < self._seen[query]]
