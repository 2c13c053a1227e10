"""The few numbers of every keyframe that searches and gates look at, kept in memory as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

ColumnRow: TypeAlias = "tuple[int, int, int, float | None, bytes | None]"
"""Id, session id, stamp in ns, travelled metres or None, pose as the map stores it or None."""


class KeyframeColumns:
    """Columns over keyframes in the order of their ids.

    The arrays are views that stay valid and unchanged; later keyframes appear only in views taken later.
    """

    def __init__(self) -> None:
        self._size = 0
        self._ids = np.empty(64, dtype=np.int64)
        self._sessions = np.empty(64, dtype=np.int64)
        self._stamps = np.empty(64, dtype=np.int64)
        self._path_length = np.empty(64, dtype=np.float64)
        self._ordinals = np.empty(64, dtype=np.int64)
        self._positions = np.empty((64, 3), dtype=np.float64)
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Keyframe ids, strictly growing."""
        return self._ids[: self._size]

    @property
    def sessions(self) -> npt.NDArray[np.int64]:
        """Session of each keyframe."""
        return self._sessions[: self._size]

    @property
    def stamps_ns(self) -> npt.NDArray[np.int64]:
        """Stamp of each keyframe in nanoseconds."""
        return self._stamps[: self._size]

    @property
    def path_length(self) -> npt.NDArray[np.float64]:
        """Metres since the session began; NaN without odometry."""
        return self._path_length[: self._size]

    @property
    def ordinals(self) -> npt.NDArray[np.int64]:
        """Number of the keyframe within its session, from 0."""
        return self._ordinals[: self._size]

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """x, y, z of each keyframe in its session's odometry frame, (N, 3); NaN without odometry."""
        return self._positions[: self._size]

    @property
    def last_id(self) -> int:
        """The newest keyframe's id; 0 when there is none."""
        return int(self._ids[self._size - 1]) if self._size else 0

    def append(self, rows: Sequence[ColumnRow]) -> None:
        """Adds keyframes."""
        if not rows:
            return
        ids, sessions, stamps, path_length, poses = zip(*rows, strict=True)
        self.extend(
            np.array(ids, dtype=np.int64),
            np.array(sessions, dtype=np.int64),
            np.array(stamps, dtype=np.int64),
            np.array(path_length, dtype=np.float64),
            _positions(poses),
        )

    def first(self, count: int) -> KeyframeColumns:
        """Returns the columns of the first so many keyframes."""
        some = KeyframeColumns()
        ids, sessions, stamps = (column[:count] for column in (self.ids, self.sessions, self.stamps_ns))
        some.extend(ids, sessions, stamps, self.path_length[:count], self.positions[:count])
        return some

    def extend(
        self,
        ids: npt.NDArray[np.int64],
        sessions: npt.NDArray[np.int64],
        stamps_ns: npt.NDArray[np.int64],
        path_length: npt.NDArray[np.float64],
        positions: npt.NDArray[np.float64],
    ) -> None:
        """Adds keyframes whose columns are known, shapes (N,) and (N, 3)."""
        self._make_room(len(ids))
        new = slice(self._size, self._size + len(ids))
        self._ids[new], self._sessions[new], self._stamps[new] = ids, sessions, stamps_ns
        self._path_length[new], self._positions[new] = path_length, positions
        self._ordinals[new] = self._numbered(self._sessions[new])
        self._size += len(ids)

    def _make_room(self, count: int) -> None:
        needed = self._size + count
        if needed <= len(self._ids):
            return
        grown = max(needed, 2 * len(self._ids))
        # A copy, so that views handed out before keep their memory.
        self._ids = _enlarged(self._ids, grown)
        self._sessions = _enlarged(self._sessions, grown)
        self._stamps = _enlarged(self._stamps, grown)
        self._path_length = _enlarged(self._path_length, grown)
        self._ordinals = _enlarged(self._ordinals, grown)
        self._positions = _enlarged(self._positions, grown)

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
