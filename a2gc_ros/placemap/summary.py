"""What each session of a map amounts to."""

from __future__ import annotations

from dataclasses import dataclass

from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Session


@dataclass(frozen=True)
class SessionSummary:
    """One session in numbers.

    Attributes:
        session: The session.
        keyframes: How many it has.
        seconds: From its first keyframe to its last.
        path_length: Metres to the last keyframe with odometry; None where none has it.
    """

    session: Session
    keyframes: int
    seconds: float
    path_length: float | None


def summaries(place_map: PlaceMap) -> list[SessionSummary]:
    """Returns all sessions of a map, in their order.

    Raises:
        MapError: If the file is damaged.
    """
    return [_summary(place_map, session) for session in place_map.sessions()]


def _summary(place_map: PlaceMap, session: Session) -> SessionSummary:
    # Through the index by session: neither end asks for more than a few rows.
    query = "SELECT stamp_ns, travelled FROM keyframes WHERE session_id = ? {} ORDER BY id {} LIMIT 1"
    with place_map.reading() as connection:
        first = connection.execute(query.format("", "ASC"), (session.id,)).fetchone()
        last = connection.execute(query.format("", "DESC"), (session.id,)).fetchone()
        way = connection.execute(query.format("AND travelled IS NOT NULL", "DESC"), (session.id,)).fetchone()
        return SessionSummary(
            session,
            place_map.count(session.id),
            (last[0] - first[0]) / 1e9 if first else 0.0,
            float(way[1]) if way else None,
        )
