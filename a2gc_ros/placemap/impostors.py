"""How much keyframes resemble those of other places: statistics that a map keeps about itself.

They are derived data, in a table that a map has only once somebody looked: without it they can be measured again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from a2gc_ros.placemap.place_map import PlaceMap

TABLE: Final = """
CREATE TABLE IF NOT EXISTS impostors (
    keyframe_id INTEGER PRIMARY KEY REFERENCES keyframes (id),
    similarity REAL NOT NULL,
    compared INTEGER NOT NULL,
    beside REAL
)
"""


@dataclass(frozen=True)
class Impostor:
    """How much a keyframe resembles keyframes that cannot show the same place.

    Attributes:
        similarity: The largest cosine among them.
        compared: How many they were.
        beside: The largest cosine among those of them beside the previous keyframe's most similar one; None where
            there are none.
    """

    similarity: float
    compared: int
    beside: float | None = None


def read_impostors(place_map: PlaceMap) -> list[Impostor]:
    """Returns what a map knows, in the order of its keyframes; empty where nobody looked.

    Raises:
        MapError: If the file is damaged.
    """
    with place_map.reading() as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'impostors'").fetchone() is None:
            return []
        query = "SELECT similarity, compared, beside FROM impostors ORDER BY keyframe_id"
        return [
            Impostor(float(similarity), int(compared), None if beside is None else float(beside))
            for similarity, compared, beside in connection.execute(query)
        ]


def write_impostors(place_map: PlaceMap, impostors: Mapping[int, Impostor]) -> None:
    """Stores what was found for some keyframes, by their ids, in place of what was known of them.

    Raises:
        MapError: If a keyframe does not exist, or the map cannot be written.
    """
    rows = [(number, found.similarity, found.compared, found.beside) for number, found in impostors.items()]
    with place_map.transaction() as connection:
        connection.execute(TABLE)
        connection.executemany("INSERT OR REPLACE INTO impostors VALUES (?, ?, ?, ?)", rows)
