"""What Rerun shows of a run, be it a file or a live one: the entities of one, the views of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import rerun.blueprint

TIME: Final = "stamp"
"""The time line: stamps of the images."""


def layout(pictures: Sequence[Any], *, log: str = "", until_now: bool = False) -> rerun.blueprint.Blueprint:
    """Builds the views: paths and closures below ``/world``, pictures, and numbers over time.

    Args:
        pictures: Views of pictures, one above the other.
        log: Entity below which texts are logged; empty where there are none.
        until_now: Whether what lies in the world was written once, at its time, and stays; else the newest is shown.
    """
    import rerun.blueprint as rrb

    past = rrb.VisibleTimeRange(
        TIME, start=rrb.TimeRangeBoundary.infinite(), end=rrb.TimeRangeBoundary.cursor_relative()
    )
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Spatial3DView(origin="/world", name="Where", time_ranges=[past] if until_now else None),
            rrb.Vertical(*pictures, *([rrb.TextLogView(origin=log, name="Log")] if log else [])),
            rrb.Vertical(
                rrb.TimeSeriesView(origin="/similarity", name="Similarity"),
                rrb.TimeSeriesView(origin="/probability", name="Probability"),
                rrb.TimeSeriesView(origin="/latency_ms", name="Milliseconds"),
            ),
        ),
        collapse_panels=True,
    )
