"""The work behind ``a2gc map calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from a2gc_ros.errors import MapError
from a2gc_ros.system.progress import progress_bar

RATES = (0.1, 0.01, 0.001, 0.0001)


def calibrate(path: Path, out: Path | None) -> dict[str, Any]:
    """Measures how alike a map's different places look, stores that in the map, and draws it.

    Args:
        path: The map; one that cannot be written is measured all the same.
        out: Picture to write, or None.

    Returns:
        What was found, as JSON values.

    Raises:
        MapError: If the map cannot be read or has too few keyframes, or the picture cannot be written.
    """
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.loops.impostor_tail import MIN_QUERIES, fit
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.placemap.impostors import write_impostors

    stored = True
    try:
        place_map = PlaceMap.open(path)
    except MapError:
        place_map, stored = PlaceMap.open(path, read_only=True), False
    with place_map:
        with progress_bar("comparing keyframes") as show:
            found = measure(place_map, show)
        keyframes = len(place_map)
        if len(found) < MIN_QUERIES:
            raise MapError(
                f"{path} has {len(found)} keyframes that certainly show other places than others do, and it takes "
                f"{MIN_QUERIES}: map a longer way, with odometry where there is any"
            )
        if stored:
            write_impostors(place_map, found)
    tail = fit(list(found.values()))
    thresholds = [(rate, tail.threshold(rate, keyframes)) for rate in RATES]
    if out is not None:
        _draw(tail, keyframes, thresholds, out)
    return {
        "map": str(path),
        "stored": stored,
        "keyframes": keyframes,
        "queries": tail.queries,
        "independent_queries": round(tail.effective, 1),
        "level": tail.level,
        "persistence": tail.persistence,
        "thresholds": [
            {"rate": rate, "similarity": similarity, "interval": tail.false_match_interval(similarity, keyframes)}
            for rate, similarity in thresholds
        ],
    }


def _draw(tail: Any, keyframes: int, thresholds: list[tuple[float, float]], out: Path) -> None:
    import numpy as np

    from a2gc_ros.viz.calibration import draw_calibration

    grid = np.linspace(tail.level, max(1.0, tail.level + 0.01), 80)
    chance = np.array([tail.false_match(s, keyframes) for s in grid])
    low, high = np.array([tail.false_match_interval(s, keyframes) for s in grid]).T
    figure = draw_calibration(tail.maxima, grid, chance, low, high, thresholds)
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:
        raise MapError(
            f"{out} cannot be written ({error}): name a .png, .svg or .pdf in a folder that exists"
        ) from error
