"""``a2gc map calibrate``: how alike a map's different places look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json, print_table
from a2gc_ros.errors import MapError
from a2gc_ros.system.progress import progress_bar

RATES = (0.1, 0.01, 0.001, 0.0001)


def calibrate(
    place_map: options.MapFile,
    out: Annotated[Path | None, typer.Option(help="Draw it: a .png, .svg or .pdf file (needs matplotlib).")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure how alike the different places of a map look, and store it in the map.

    Loop detection turns it into the probability that a match is false; maps without it are measured when they are
    loaded.

    Examples:
    `a2gc map calibrate town.a2gc`

    `a2gc map calibrate town.a2gc --out town.png`
    """
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.loops.impostor_tail import MIN_QUERIES, fit
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.placemap.impostors import write_impostors

    stored = True
    try:
        opened = PlaceMap.open(place_map)
    except MapError:
        opened, stored = PlaceMap.open(place_map, read_only=True), False
    with opened:
        with progress_bar("comparing keyframes") as show:
            found = measure(opened, show)
        keyframes = len(opened)
        if len(found) < MIN_QUERIES:
            raise MapError(
                f"{place_map} has {len(found)} keyframes that certainly show other places than others do, and it takes "
                f"{MIN_QUERIES}: map a longer way, with odometry where there is any"
            )
        if stored:
            write_impostors(opened, found)
    tail = fit(list(found.values()))
    thresholds = [(rate, tail.threshold(rate, keyframes)) for rate in RATES]
    if out is not None:
        _draw(tail, keyframes, thresholds, out)
    rows = [(rate, least, tail.false_match_interval(least, keyframes)) for rate, least in thresholds]
    if as_json:
        facts = {
            "map": str(place_map),
            "stored": stored,
            "keyframes": keyframes,
            "queries": tail.queries,
            "independent_queries": round(tail.effective, 1),
            "level": tail.level,
            "persistence": tail.persistence,
            "thresholds": [dict(zip(("rate", "similarity", "interval"), row, strict=True)) for row in rows],
        }
        echo_json(facts)
        return
    typer.echo(
        f"{tail.queries} of {keyframes} keyframes were compared with keyframes of other places "
        f"(as good as {round(tail.effective, 1):g} independent ones)"
    )
    print_table(
        ("false match for one query in", "needs a similarity of", "uncertain from", "to"),
        ((f"{1 / rate:,.0f}", f"{least:.3f}", f"{low:.2g}", f"{high:.2g}") for rate, least, (low, high) in rows),
    )
    typer.echo(f"look-alikes go on to the next keyframe with probability {tail.persistence:.2f}")
    if not stored:
        typer.echo("the map cannot be written, so this was not stored")
    if out is not None:
        typer.echo(f"picture: {out}")


def _draw(tail: Any, keyframes: int, thresholds: list[tuple[float, float]], out: Path) -> None:
    import numpy as np

    from a2gc_ros.viz.calibration import draw_calibration

    grid = np.linspace(tail.level, max(1.0, tail.level + 0.01), 80)
    chance = np.array([tail.false_match(s, keyframes) for s in grid])
    interval = np.array([tail.false_match_interval(s, keyframes) for s in grid])
    figure = draw_calibration(tail.maxima, grid, chance, interval, thresholds)
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:
        raise MapError(
            f"{out} cannot be written ({error}): name a .png, .svg or .pdf in a folder that exists"
        ) from error
