"""``a2gc map view``: a place map as a page to explore."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def view(place_map: Path, html: Path | None, gap_s: float) -> dict[str, Any]:
    """Writes the page of a map and returns where it is, and its keyframes.

    Args:
        place_map: The map.
        html: The page; beside the map where None.
        gap_s: Seconds that keyframes of one session must lie apart to be compared.

    Raises:
        A2gcError: If the map cannot be read or is empty.
    """
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.viz.map_page import map_page

    path = html or place_map.with_suffix(".html")
    with PlaceMap.open(place_map, read_only=True) as opened:
        report = map_page(opened, gap_s=gap_s)
        keyframes = len(opened)
    report.write(path)
    return {"page": str(path), "keyframes": keyframes}
