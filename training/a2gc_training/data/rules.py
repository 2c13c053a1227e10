"""When two images show the same place: rules for training and for validation alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from a2gc_training.config import require
from a2gc_training.data.tables import ImageTable

Matcher = Callable[[int], NDArray[np.bool_]]


@dataclass(frozen=True)
class Places:
    """The places of a table.

    Attributes:
        members: Rows of each place, ascending.
        conflicts: For each place, the numbers of the places too near to serve as its negatives.
    """

    members: list[NDArray[np.int64]]
    conflicts: list[NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.members)


def cover(count: int, near: Matcher) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """A greedy cover of rows: each that no place holds yet becomes the middle of one.

    Returns:
        The middles, int64 (places,), and the rows of each place, those near its middle.
    """
    covered = np.zeros(count, bool)
    middles: list[int] = []
    members: list[NDArray[np.int64]] = []
    for row in range(count):
        if not covered[row]:
            mask = near(row)
            covered |= mask
            middles.append(row)
            members.append(np.flatnonzero(mask).astype(np.int64))
    return np.array(middles, np.int64), members


def others(places: NDArray[np.bool_], own: int) -> NDArray[np.int64]:
    """Numbers of the places that a mask marks, without a place's own."""
    return np.setdiff1d(np.flatnonzero(places), own).astype(np.int64)


@dataclass(frozen=True)
class SameColumns:
    """Images of a place agree in some columns."""

    kind: Literal["columns"] = "columns"
    columns: tuple[str, ...] = ("place",)

    def __post_init__(self) -> None:
        require(bool(self.columns), "columns is empty; name at least one column.")

    def places(self, table: ImageTable) -> Places:
        """One place for each combination of values."""
        codes = table.codes(self.columns)
        order = np.argsort(codes, kind="stable").astype(np.int64)
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        members = np.split(order, starts[1:]) if len(order) else []
        return Places(members, [np.empty(0, np.int64)] * len(members))

    def matcher(self, table: ImageTable) -> Matcher:
        """A function from a row to the mask of rows that show its place."""
        codes = table.codes(self.columns)
        return lambda row: codes == codes[row]


@dataclass(frozen=True)
class CloseInTime:
    """Images of a place lie within some seconds of each other in one session.

    Attributes:
        seconds: Largest difference between two images of a place.
        session: Column of the session (a clip, a run); times of two sessions do not compare.
        time: Column of the time, seconds.
        margin: Seconds beyond which another place of the session may serve as a negative.
    """

    seconds: float
    kind: Literal["time"] = "time"
    session: str = "session"
    time: str = "time"
    margin: float = 0.0

    def __post_init__(self) -> None:
        require(min(self.seconds, self.margin) >= 0, "seconds and margin cannot be negative.")

    def places(self, table: ImageTable) -> Places:
        """Windows of ``seconds`` along each session, each starting half a window after the one before.

        Windows that overlap or lie within ``margin`` of each other conflict.
        """
        sessions, times = table.codes([self.session]), table.numbers(self.time)
        members: list[NDArray[np.int64]] = []
        spans: list[tuple[int, float, float]] = []
        for session in np.unique(sessions):
            rows = np.flatnonzero(sessions == session).astype(np.int64)
            rows = rows[np.argsort(times[rows], kind="stable")]
            for window in _windows(times[rows], self.seconds):
                members.append(np.sort(rows[window]))
                spans.append((int(session), times[rows[window[0]]], times[rows[window[-1]]]))
        return Places(members, _span_conflicts(spans, self.margin))

    def matcher(self, table: ImageTable) -> Matcher:
        """A function from a row to the mask of rows that show its place."""
        sessions, times = table.codes([self.session]), table.numbers(self.time)
        return lambda row: (sessions == sessions[row]) & (np.abs(times - times[row]) <= self.seconds)


def _windows(times: NDArray[np.float64], length: float) -> list[NDArray[np.int64]]:
    """Index windows of ascending times, none longer than ``length``, the last reaching the end."""
    windows: list[NDArray[np.int64]] = []
    first = 0
    while first < len(times):
        end = int(np.searchsorted(times, times[first] + length, side="right"))
        windows.append(np.arange(first, end))
        if end == len(times):
            break
        first = max(first + 1, int(np.searchsorted(times, times[first] + length / 2, side="right")))
    return windows


def _span_conflicts(spans: list[tuple[int, float, float]], margin: float) -> list[NDArray[np.int64]]:
    session, start, end = np.array(spans, np.float64).reshape(-1, 3).T
    conflicts = []
    for number in range(len(spans)):
        apart = np.maximum(start - end[number], start[number] - end)
        conflicts.append(others((session == session[number]) & (apart <= margin), number))
    return conflicts


@dataclass(frozen=True)
class CloseInSpace:
    """Images of a place were taken near each other, looking the same way.

    Attributes:
        metres: Largest distance between two images of a place.
        x: Column of the first coordinate, metres.
        y: Column of the second coordinate, metres.
        yaw: Column of the heading, radians; None ignores the heading.
        degrees: Largest difference of headings.
        session: Column of the session where coordinates of two sessions do not compare; None where they do.
        margin: Metres beyond which another place may serve as a negative, whatever its heading.
    """

    metres: float
    kind: Literal["space"] = "space"
    x: str = "x"
    y: str = "y"
    yaw: str | None = None
    degrees: float = 45.0
    session: str | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        valid = self.metres > 0 and self.degrees > 0 and self.margin >= 0
        require(valid, "metres and degrees must be above 0, and margin cannot be negative.")

    def places(self, table: ImageTable) -> Places:
        """A greedy cover: each image that no place holds yet becomes the middle of one.

        A place holds the images within half of ``metres`` and ``degrees`` of its middle, so any two of them obey
        the rule. Places with middles nearer than twice ``metres`` plus ``margin`` conflict.
        """
        near = self._nearness(table)
        middles, members = cover(len(table), lambda row: near(row, self.metres / 2, self.degrees / 2))
        reach = 2 * self.metres + self.margin
        conflicts = [others(near(row, reach, np.inf)[middles], number) for number, row in enumerate(middles.tolist())]
        return Places(members, conflicts)

    def matcher(self, table: ImageTable) -> Matcher:
        """A function from a row to the mask of rows that show its place."""
        near = self._nearness(table)
        return lambda row: near(row, self.metres, self.degrees)

    def _nearness(self, table: ImageTable) -> Callable[[int, float, float], NDArray[np.bool_]]:
        position = np.stack([table.numbers(self.x), table.numbers(self.y)], axis=1)
        heading = table.numbers(self.yaw) if self.yaw else np.zeros(len(table))
        sessions = table.codes([self.session] if self.session else [])

        def near(row: int, metres: float, degrees: float) -> NDArray[np.bool_]:
            distance = np.linalg.norm(position - position[row], axis=1)
            turn = np.abs((heading - heading[row] + np.pi) % (2 * np.pi) - np.pi)
            return (distance <= metres) & (turn <= np.radians(degrees)) & (sessions == sessions[row])

        return near
