"""When two images see much of the same: from where they were taken, and which way and how wide the camera looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from a2gc_training.config import require, require_each
from a2gc_training.data.rules import CloseInSpace, CloseInTime, Matcher, Places, SameColumns, cover, others
from a2gc_training.data.tables import ImageTable

RINGS, SPOKES = 16, 16
"""How many points stand for what a camera sees: an overlap is known to two in a hundred or better."""

STAGGER = (np.arange(RINGS) * 7 % RINGS + 0.5) / RINGS
"""How far into its share of the view each ring's points lie: at one angle for all rings, the overlap of views from one
spot would come in whole spokes."""


@dataclass(frozen=True)
class Views:
    """What cameras see, as sectors of the ground plane.

    Attributes:
        position: float64 (N, 2), metres.
        heading: float64 (N,), direction of the optical axis, radians.
        half_angle: float64 (N,), half of the horizontal field of view, radians.
        reach: Metres that a camera sees.
    """

    position: NDArray[np.float64]
    heading: NDArray[np.float64]
    half_angle: NDArray[np.float64]
    reach: float

    def overlap(self, one: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share that a view has in common with others, the smaller of both ways, in [0, 1].

        The overlap of sectors as a measure of how alike two images must look is that of Leyva-Vallina et al.,
        arXiv 2103.06638. The others are numbers, int64 (M,), and so are the shares, float64 (M,).
        """
        alone = np.array([one])
        of_one = self._sees(others, self._points(alone)).mean(axis=-1)
        of_others = self._sees(alone, self._points(others)).mean(axis=-1)
        return np.minimum(of_one, of_others)

    def _points(self, views: NDArray[np.int64]) -> NDArray[np.float64]:
        """Points spread evenly over each view's area: (M, RINGS * SPOKES, 2)."""
        distance = self.reach * np.sqrt((np.arange(RINGS) + 0.5) / RINGS)
        share = 2 * (np.arange(SPOKES) + STAGGER[:, None]) / SPOKES - 1
        angle = self.heading[views, None, None] + self.half_angle[views, None, None] * share
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        points = self.position[views, None, None] + distance[:, None, None] * direction
        return points.reshape(len(views), RINGS * SPOKES, 2)

    def _sees(self, views: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each view sees points (M or 1, K, 2): bool (M, K)."""
        x, y = np.moveaxis(points - self.position[views, None], -1, 0)
        turn = np.abs((np.arctan2(y, x) - self.heading[views, None] + np.pi) % (2 * np.pi) - np.pi)
        return (np.hypot(x, y) <= self.reach) & (turn <= self.half_angle[views, None])


@dataclass(frozen=True)
class SharedView:
    """Images of a place were taken near each other, and their cameras see much of the same.

    What a camera sees is its horizontal field of view out to ``reach``. Walls are not known of.

    Attributes:
        metres: Largest distance between two images of a place.
        overlap: Least share of its view that each has in common with the other.
        reach: Metres that a camera sees: some 5 in rooms, 25 in streets.
        field_of_view: Column of the horizontal field of view in degrees, or one number for all images.
        x: Column of the first coordinate, metres.
        y: Column of the second coordinate, metres.
        yaw: Column of the camera's heading, radians.
        session: Column of the session where coordinates of two sessions do not compare; None where they do.
        seconds: Largest difference of times, for poses that drift; None is no limit.
        time: Column of the time, seconds.
        margin: Metres beyond which another place may serve as a negative; raise it where poses drift.
    """

    metres: float
    kind: Literal["view"] = "view"
    overlap: float = 0.5
    reach: float = 25.0
    field_of_view: str | float = "field_of_view"
    x: str = "x"
    y: str = "y"
    yaw: str = "yaw"
    session: str | None = None
    seconds: float | None = None
    time: str = "time"
    margin: float = 0.0

    def __post_init__(self) -> None:
        valid = self.metres > 0 and self.reach > 0 and self.margin >= 0
        require(valid, "metres and reach must be above 0, and margin cannot be negative.")
        require(0 < self.overlap <= 1, "overlap lies above 0 and at most at 1.")
        angle = self.field_of_view if isinstance(self.field_of_view, float) else 360
        require(0 < angle <= 360, "field_of_view is in degrees, above 0 and at most 360.")
        require_each(self, 0, "cannot be negative.", "seconds")

    def places(self, table: ImageTable) -> Places:
        """A greedy cover: each image that no place holds yet becomes the middle of one.

        A place holds what is within half of ``metres`` and ``seconds`` of its middle and misses at most half as much
        of its view as the rule allows, so any two of its images obey the rule. Places conflict where negatives could
        be wrong: their middles are nearer than twice ``metres`` plus ``margin``, see any of the same, or are of
        sessions that do not compare.
        """
        near = _Nearness(self, table)
        middles, members = cover(len(table), lambda row: near.mask(row, share=0.5))
        return Places(members, near.conflicts(middles))

    def matcher(self, table: ImageTable) -> Matcher:
        """A function from a row to the mask of rows that show its place."""
        near = _Nearness(self, table)
        return lambda row: near.mask(row, share=1.0)


PlaceRule = SameColumns | CloseInTime | CloseInSpace | SharedView
"""Every rule that can say when two images show the same place."""


class _Nearness:
    """A rule over the rows of a table."""

    def __init__(self, rule: SharedView, table: ImageTable) -> None:
        self._rule = rule
        field = rule.field_of_view
        degrees = table.numbers(field) if isinstance(field, str) else np.full(len(table), field)
        self._views = Views(
            np.stack([table.numbers(rule.x), table.numbers(rule.y)], axis=1),
            table.numbers(rule.yaw),
            np.radians(degrees) / 2,
            rule.reach,
        )
        self._sessions = table.codes([rule.session] if rule.session else [])
        self._times = np.zeros(len(table)) if rule.seconds is None else table.numbers(rule.time)

    def mask(self, row: int, share: float) -> NDArray[np.bool_]:
        """Rows that obey the rule with a row, with all of its tolerances or a share of them."""
        rule = self._rule
        position = self._views.position
        mask = np.linalg.norm(position - position[row], axis=1) <= share * rule.metres
        mask &= self._sessions == self._sessions[row]
        if rule.seconds is not None:
            mask &= np.abs(self._times - self._times[row]) <= share * rule.seconds
        candidates = np.flatnonzero(mask).astype(np.int64)
        mask[candidates] = self._views.overlap(row, candidates) >= 1 - share * (1 - rule.overlap)
        mask[row] = True
        return mask

    def conflicts(self, middles: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """For each middle, the numbers of those that its place must not meet."""
        rule = self._rule
        found = []
        for number, row in enumerate(middles):
            away = np.linalg.norm(self._views.position[middles] - self._views.position[row], axis=1)
            mask = (away <= 2 * rule.metres + rule.margin) | (self._sessions[middles] != self._sessions[row])
            open_question = np.flatnonzero(~mask & (away <= 2 * rule.reach)).astype(np.int64)
            mask[open_question] = self._views.overlap(row, middles[open_question]) > 0
            found.append(others(mask, number))
        return found
