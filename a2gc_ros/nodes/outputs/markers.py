"""Keyframes and loop closures for RViz."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from a2gc_ros.geometry import Pose
from a2gc_ros.nodes.base.conversions import header_message, point_message

BLUE = ColorRGBA(r=0.25, g=0.5, b=0.95, a=1.0)
GREEN = ColorRGBA(r=0.2, g=0.85, b=0.35, a=1.0)
YELLOW = ColorRGBA(r=0.95, g=0.8, b=0.1, a=1.0)
GRAY = ColorRGBA(r=0.6, g=0.6, b=0.65, a=0.8)

MOST_LINKS = 2000
"""Relocalizations that are drawn, the newest ones."""

MOST_POINTS = 20_000
"""Longer ways are thinned, so that a marker stays far below the size that the middleware takes at once."""


class MarkerTrack:
    """Gathers the live session's keyframes and closures, and where loaded maps lie, while the node runs.

    All is drawn in the odometry frame: a loaded map appears when a relocalization has told where it lies there, and
    moves with each further one, so that nobody needs a transform from map to odom to see it.

    Args:
        odom_frame: Fixed frame where odometry names none.
    """

    def __init__(self, odom_frame: str) -> None:
        self._default_frame = odom_frame
        self._positions: dict[int, npt.NDArray[np.float64]] = {}
        self._closures: list[tuple[int, int, bool, float]] = []
        self._maps: dict[str, _LocatedMap] = {}

    def add_keyframe(self, keyframe_id: int, position: npt.NDArray[np.float64]) -> None:
        """Notes where a keyframe of the live session is, (3,) metres in the odometry frame."""
        self._positions[keyframe_id] = np.array(position, dtype=np.float64)

    def add_closure(self, query_id: int, keyframe_id: int, *, verified: bool, probability: float | None = None) -> None:
        """Notes a closure within the live session."""
        self._closures.append((query_id, keyframe_id, verified, _share(probability)))

    def knows(self, path: str, session_id: int) -> bool:
        """Whether this session of the loaded map in a file is the one that is drawn."""
        located = self._maps.get(path)
        return located is not None and located.session_id == session_id

    def add_map(self, path: str, session_id: int, positions: npt.NDArray[np.float64]) -> None:
        """Notes where the keyframes of a loaded map's session are, (N, 3) metres in the map's frame."""
        self._maps[path] = _LocatedMap(session_id, np.array(positions, dtype=np.float64))

    def add_relocalization(
        self,
        path: str,
        t_odom_map: Pose,
        position: npt.NDArray[np.float64],
        keyframe: npt.NDArray[np.float64],
        probability: float | None,
    ) -> None:
        """Notes a relocalization.

        Args:
            path: Of the loaded map, whose number may change.
            t_odom_map: Where its frame lies in the odometry frame, by this relocalization.
            position: (3,) of the robot, in the odometry frame.
            keyframe: (3,) of the keyframe, in the map's frame.
            probability: That it is right; None where nobody asked.
        """
        located = self._maps[path]
        located.t_odom_map = t_odom_map
        located.links.append((np.array(position), np.array(keyframe), _share(probability)))

    def message(self, odometry_frame: str, loaded: Collection[str]) -> MarkerArray:
        """Returns the way as a line, keyframes as points, closures as lines between them, and the located maps.

        Args:
            odometry_frame: Fixed frame; empty where odometry names none.
            loaded: Paths of the maps that are loaded now; what is known of others is forgotten.
        """
        self._maps = {path: located for path, located in self._maps.items() if path in loaded}
        # Stamp zero: RViz then takes the newest transform.
        header = header_message(0, odometry_frame or self._default_frame)
        way = _thinned(list(self._positions.values()))
        markers = [
            marker(header, 0, "way", Marker.LINE_STRIP, BLUE, way if len(way) > 1 else []),
            marker(header, 1, "keyframes", Marker.POINTS, BLUE, way),
        ]
        for number, (name, verified) in enumerate((("verified", True), ("not verified", False)), start=2):
            lines = [
                (self._positions[query], self._positions[keyframe], probability)
                for query, keyframe, was_verified, probability in self._closures
                if was_verified is verified and query in self._positions and keyframe in self._positions
            ]
            markers.append(_lines(header, number, name, lines))
        known, links = [], []
        for located in self._maps.values():
            known += _thinned(located.in_odometry(located.positions))
            links += [
                (position, located.in_odometry(keyframe[None])[0], probability)
                for position, keyframe, probability in located.links
            ]
        markers.append(marker(header, 4, "maps", Marker.POINTS, GRAY, known))
        markers.append(_lines(header, 5, "relocalizations", links))
        return MarkerArray(markers=markers)


@dataclass
class _LocatedMap:
    """One session of a loaded map, and where its frame lies in the odometry frame."""

    session_id: int
    positions: npt.NDArray[np.float64]
    t_odom_map: Pose = field(default_factory=lambda: np.eye(4))
    links: deque[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]] = field(
        default_factory=lambda: deque(maxlen=MOST_LINKS)
    )

    def in_odometry(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return positions @ self.t_odom_map[:3, :3].T + self.t_odom_map[:3, 3]


def color_of(probability: float) -> ColorRGBA:
    """Returns the color of a closure: yellow where it is as likely wrong as right, green where it is sure."""
    share = min(max(2 * probability - 1, 0.0), 1.0)
    parts = ((1 - share) * getattr(YELLOW, part) + share * getattr(GREEN, part) for part in "rgba")
    return ColorRGBA(**dict(zip("rgba", parts, strict=True)))


def _share(probability: float | None) -> float:
    return 0.5 if probability is None else probability


def _thinned(positions: Sequence[npt.NDArray[np.float64]] | npt.NDArray[np.float64]) -> list[Point]:
    step = 1 + len(positions) // MOST_POINTS
    return [point_message(position) for position in positions[::step]]


def _lines(
    header: Header,
    number: int,
    name: str,
    lines: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]],
) -> Marker:
    """Returns lines between two points each, colored by probability."""
    ends = [point_message(end) for line in lines for end in line[:2]]
    drawn = marker(header, number, name, Marker.LINE_LIST, GREEN, ends)
    drawn.colors = [color_of(line[2]) for line in lines for _ in range(2)]
    return drawn


def marker(header: Header, number: int, name: str, kind: int, color: ColorRGBA, points: Sequence[Point]) -> Marker:
    """Returns one marker of points or lines; one without points takes an earlier one away."""
    drawn = Marker(header=header, ns=name, id=number, type=kind, color=color, points=list(points))
    drawn.action = Marker.ADD if points else Marker.DELETE
    drawn.scale.x = 0.08 if kind != Marker.POINTS else 0.15
    drawn.scale.y = drawn.scale.x
    drawn.pose.orientation.w = 1.0
    return drawn
