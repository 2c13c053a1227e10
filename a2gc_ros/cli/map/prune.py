"""The work behind ``a2gc map prune``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from a2gc_ros.system.progress import progress_bar

DAY_S = 86_400.0


def prune(
    path: Path, out: Path, older_than_days: float, distance_m: float, angle_deg: float, similarity: float
) -> dict[str, Any]:
    """Thins a map's old sessions into a new map.

    Args:
        path: The map; is only read.
        out: The map to write.
        older_than_days: From when a session is old, before the map's newest keyframe.
        distance_m: Metres between the keyframes that stay.
        angle_deg: Degrees between them.
        similarity: Without poses: the cosine below which one stays.

    Returns:
        What was done, as JSON values.

    Raises:
        MapError: If the map cannot be read, or the new one not be written.
    """
    from a2gc_ros.placemap import PlaceMap, Spacing
    from a2gc_ros.placemap.pruning import prune as run

    spacing = Spacing(distance_m=distance_m, angle_rad=math.radians(angle_deg), similarity=similarity)
    with PlaceMap.open(path, read_only=True) as source, progress_bar("looking at keyframes") as show:
        behind = run(source, out, spacing, older_than_days * DAY_S, show)
        return {"map": str(out), "keyframes": len(source) - behind, "left_behind": behind}
