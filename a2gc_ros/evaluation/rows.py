"""Descriptors that are read a block at a time, wherever they lie."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rows(Protocol):
    """A table of descriptors.

    Attributes:
        dim: Length D of a row.
        cost: Bytes of memory that reading a row takes, beyond the float32 result.
    """

    @property
    def dim(self) -> int: ...  # noqa: D102

    @property
    def cost(self) -> int: ...  # noqa: D102

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop``, float32 (n, D), C-contiguous."""


class ArrayRows:
    """Rows that lie in memory already, float32 or float16 (N, D)."""

    def __init__(self, array: NDArray[np.float32] | NDArray[np.float16]) -> None:
        self._array = array
        self.dim = int(array.shape[1])
        self.cost = 0

    def __len__(self) -> int:
        return len(self._array)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop``; without a copy where they are float32."""
        return np.ascontiguousarray(self._array[start:stop], dtype=np.float32)


class SubsetRows:
    """Some rows of others: those ``chosen``, int64 (n,), in the order wanted."""

    def __init__(self, rows: Rows, chosen: NDArray[np.int64]) -> None:
        self._rows, self._chosen = rows, chosen
        self.dim = rows.dim
        self.cost = rows.cost + 4 * rows.dim

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop``, reading neighbors together."""
        chosen = self._chosen[start:stop]
        runs = np.split(chosen, np.flatnonzero(np.diff(chosen) != 1) + 1)
        return np.concatenate([self._rows.read(int(run[0]), int(run[-1]) + 1) for run in runs])
