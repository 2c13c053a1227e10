"""The few numbers of every keyframe that searches and gates look at, kept in memory as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

STORED_COLUMNS: Final = ("ids", "sessions", "stamps_ns", "path_length", "positions")
"""Columns that keyframes come with; the others follow from them."""

ColumnRow: TypeAlias = "tuple[int, int, int, float | None, bytes | None]"
"""Id, session id, stamp in ns, travelled metres or None, pose as the map stores it or None."""


class KeyframeColumns:
    """Columns over keyframes in the order of their ids.

    The arrays are views that stay valid and unchanged; later keyframes appear only in views taken later.
    """

    def __init__(self) -> None:
        self._size = 0
        self._arrays: dict[str, npt.NDArray] = {
            **{name: np.empty(64, dtype=np.int64) for name in ("ids", "sessions", "stamps_ns", "ordinals")},
            "path_length": np.empty(64, dtype=np.float64),
            "positions": np.empty((64, 3), dtype=np.float64),
        }
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Keyframe ids, strictly growing."""
        return self._arrays["ids"][: self._size]

    @property
    def sessions(self) -> npt.NDArray[np.int64]:
        """Session of each keyframe."""
        return self._arrays["sessions"][: self._size]

    @property
    def stamps_ns(self) -> npt.NDArray[np.int64]:
        """Stamp of each keyframe in nanoseconds."""
        return self._arrays["stamps_ns"][: self._size]

    @property
    def path_length(self) -> npt.NDArray[np.float64]:
        """Metres since the session began; NaN without odometry."""
        return self._arrays["path_length"][: self._size]

    @property
    def ordinals(self) -> npt.NDArray[np.int64]:
        """Number of the keyframe within its session, from 0."""
        return self._arrays["ordinals"][: self._size]

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """x, y, z of each keyframe in its session's odometry frame, (N, 3); NaN without odometry."""
        return self._arrays["positions"][: self._size]

    @property
    def last_id(self) -> int:
        """The newest keyframe's id; 0 when there is none."""
        return int(self.ids[-1]) if self._size else 0

    def append(self, rows: Sequence[ColumnRow]) -> None:
        """Adds keyframes."""
        if not rows:
            return
        *integers, lengths, poses = zip(*rows, strict=True)
        # None becomes NaN.
        columns = (*integers, np.array(lengths, dtype=np.float64), _positions(poses))
        self.extend(dict(zip(STORED_COLUMNS, columns, strict=True)))

    def first(self, count: int) -> dict[str, Any]:
        """Returns the columns `STORED_COLUMNS` of the first so many keyframes, for :meth:`extend`."""
        return {name: self._arrays[name][:count] for name in STORED_COLUMNS}

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Adds keyframes whose columns `STORED_COLUMNS` are known."""
        needed = self._size + len(columns["ids"])
        room = len(self._arrays["ids"])
        if needed > room:
            # A copy, so that views handed out before keep their memory.
            grown = max(needed, 2 * room)
            self._arrays = {name: _enlarged(array, grown) for name, array in self._arrays.items()}
        new = slice(self._size, needed)
        for name in STORED_COLUMNS:
            self._arrays[name][new] = columns[name]
        self._arrays["ordinals"][new] = self._numbered(self._arrays["sessions"][new])
        self._size = needed

    def _numbered(self, sessions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Returns each keyframe's number within its session, and counts it."""
        ordinals = np.empty(len(sessions), dtype=np.int64)
        order = np.argsort(sessions, kind="stable")
        numbers, begins = np.unique(sessions[order], return_index=True)
        for session, of_session in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
            begin = self._counts.get(session, 0)
            ordinals[of_session] = np.arange(begin, begin + len(of_session))
            self._counts[session] = begin + len(of_session)
        return ordinals

    def rows_of(self, ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Returns the row of each keyframe id; unknown ids are left out."""
        wanted = np.asarray(ids, dtype=np.int64)
        rows = np.searchsorted(self.ids, wanted)
        known = rows < self._size
        known[known] = self.ids[rows[known]] == wanted[known]
        return rows[known]


def _positions(poses: Sequence[bytes | None]) -> npt.NDArray[np.float64]:
    """Returns x, y, z of poses as the map stores them, (N, 3)."""
    known = [at for at, pose in enumerate(poses) if pose is not None]
    out = np.full((len(poses), 3), np.nan)
    if known:
        matrices = np.stack([np.frombuffer(poses[at] or b"", dtype="<f8").reshape(4, 4) for at in known])
        out[known] = matrices[:, :3, 3]
    return out


def _enlarged(array: npt.NDArray, size: int) -> npt.NDArray:
    out = np.empty((size, *array.shape[1:]), dtype=array.dtype)
    out[: len(array)] = array
    return out
