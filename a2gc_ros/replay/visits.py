"""Places that were seen again: closures of neighboring keyframes, told as one visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from a2gc_ros.viz.page_data import PairRow

GAP: Final = 12
"""Keyframes without a closure, and keyframes by which what is recognized may jump, within one visit."""


@dataclass(frozen=True)
class Visit:
    """A stretch of the run that shows a stretch seen before.

    Attributes:
        members: Numbers of its closures, in order of time, one for each query.
        queries: First and last query.
        keyframes: The least and the greatest keyframe that was recognized.
        backwards: Whether the older stretch is passed the other way, at more of its keyframes than not: on laps, what
            is recognized jumps from one to another.
    """

    members: tuple[int, ...]
    queries: tuple[int, int]
    keyframes: tuple[int, int]
    backwards: bool


def visits(closures: Sequence[PairRow], numbers: Sequence[int] | None = None) -> list[Visit]:
    """Groups closures into visits, in order of time.

    Args:
        closures: In any order; the best of a query first.
        numbers: What each is called in the visits; its place in the sequence where None.
    """
    called = range(len(closures)) if numbers is None else numbers
    order = sorted(range(len(closures)), key=lambda i: closures[i].query)
    groups: list[list[int]] = []
    for i in order:
        group = next((g for g in reversed(groups[-4:]) if _follows(closures[g[-1]], closures[i])), None)
        if group is None:
            groups.append([i])
        elif closures[group[-1]].query != closures[i].query:
            group.append(i)
    found = []
    for group in groups:
        seen = [closures[i].keyframe for i in group]
        onward = sum((after > before) - (after < before) for before, after in pairwise(seen))
        found.append(
            Visit(
                tuple(called[i] for i in group),
                (closures[group[0]].query, closures[group[-1]].query),
                (min(seen), max(seen)),
                onward < 0,
            )
        )
    return found


def _follows(last: PairRow, following: PairRow) -> bool:
    return following.query - last.query <= GAP and abs(following.keyframe - last.keyframe) <= GAP
