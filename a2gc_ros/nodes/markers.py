"""Keyframes and loop closures for RViz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from a2gc_ros.nodes.conversions import header_message, point_message

BLUE = ColorRGBA(r=0.25, g=0.5, b=0.95, a=1.0)
GREEN = ColorRGBA(r=0.2, g=0.85, b=0.35, a=1.0)
YELLOW = ColorRGBA(r=0.95, g=0.8, b=0.1, a=1.0)

MOST_POINTS = 20_000
"""Longer ways are thinned, so that a marker stays far below the size that the middleware takes at once."""


class MarkerTrack:
    """Gathers the live session's keyframes and closures while the node runs.

    Args:
        odom_frame: Fixed frame where odometry names none.
    """

    def __init__(self, odom_frame: str) -> None:
        self._default_frame = odom_frame
        self._positions: dict[int, npt.NDArray[np.float64]] = {}
        self._closures: list[tuple[int, int, bool]] = []

    def add_keyframe(self, keyframe_id: int, position: npt.NDArray[np.float64]) -> None:
        """Notes where a keyframe of the live session is, (3,) metres in the odometry frame."""
        self._positions[keyframe_id] = np.array(position, dtype=np.float64)

    def add_closure(self, query_id: int, keyframe_id: int, *, verified: bool) -> None:
        """Notes a closure within the live session."""
        self._closures.append((query_id, keyframe_id, verified))

    def message(self, odometry_frame: str) -> MarkerArray:
        """Returns the way as a line, keyframes as points, closures as lines between them."""
        # Stamp zero: RViz then takes the newest transform.
        header = header_message(0, odometry_frame or self._default_frame)
        step = 1 + len(self._positions) // MOST_POINTS
        way = [point_message(position) for position in list(self._positions.values())[::step]]
        markers = [
            marker(header, 0, "way", Marker.LINE_STRIP, BLUE, way if len(way) > 1 else []),
            marker(header, 1, "keyframes", Marker.POINTS, BLUE, way),
        ]
        for number, (name, colour, verified) in enumerate(
            (("verified", GREEN, True), ("not verified", YELLOW, False)), start=2
        ):
            ends = [
                point_message(self._positions[end])
                for query, keyframe, was_verified in self._closures
                if was_verified is verified and query in self._positions and keyframe in self._positions
                for end in (query, keyframe)
            ]
            markers.append(marker(header, number, name, Marker.LINE_LIST, colour, ends))
        return MarkerArray(markers=markers)


def marker(header: Header, number: int, name: str, kind: int, colour: ColorRGBA, points: Sequence[Point]) -> Marker:
    """Returns one marker of points or lines; one without points takes an earlier one away."""
    drawn = Marker(header=header, ns=name, id=number, type=kind, color=colour, points=list(points))
    drawn.action = Marker.ADD if points else Marker.DELETE
    drawn.scale.x = 0.08 if kind != Marker.POINTS else 0.15
    drawn.scale.y = drawn.scale.x
    drawn.pose.orientation.w = 1.0
    return drawn
