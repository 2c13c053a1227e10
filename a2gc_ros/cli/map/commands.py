"""``a2gc map``: build place maps from recordings, look into them, merge and export them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Final

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import group
from a2gc_ros.cli.base.output import echo_result
from a2gc_ros.cli.map import fleet, look
from a2gc_ros.cli.map.build import build
from a2gc_ros.cli.map.calibrate import calibrate
from a2gc_ros.cli.map.link import link
from a2gc_ros.cli.map.redescribe import redescribe
from a2gc_ros.system.progress import progress_bar

DAY_S: Final = 86_400.0

map_app = group("map", "Build place maps from recordings, look into them, merge and export them.")

map_app.command()(build)
map_app.command()(look.info)
map_app.command("list")(look.list_keyframes)
map_app.command()(look.show)


@map_app.command()
def view(
    place_map: options.MapFile,
    html: Annotated[Path | None, typer.Option(help="The page to write; beside the map if not given.")] = None,
    gap: Annotated[
        float, typer.Option(min=0, help="Seconds that keyframes of one session must lie apart to be compared.")
    ] = 30.0,
    as_json: options.AsJson = False,
) -> None:
    """Write a page to explore a map: sessions, coverage, age, and which of its places look alike.

    One file that needs no other and no network. Look-alikes are compared by their local features as well: those that
    agree although odometry says that they are two places are where false closures would come from.

    Examples:
    `a2gc map view town.a2gc`

    `a2gc map view town.a2gc --html pages/town.html --gap 60`
    """
    from a2gc_ros.viz.map_page import map_page

    page = html or place_map.with_suffix(".html")
    with look.open_map(place_map) as opened:
        map_page(opened, gap_s=gap).write(page)
        keyframes = len(opened)
    echo_result({"page": str(page), "keyframes": keyframes}, f"{page}: {keyframes} keyframes", as_json=as_json)


@map_app.command()
def merge(
    maps: Annotated[list[Path], typer.Argument(help="Place maps made with the same model.", show_default=False)],
    out: options.NewMap,
) -> None:
    """Merge maps into one; their sessions stay apart, keyframes are numbered anew.

    Examples:
    `a2gc map merge north.a2gc south.a2gc --out town.a2gc`
    """
    from a2gc_ros.placemap import merge as run

    run(maps, out)
    with look.open_map(out) as merged:
        typer.echo(f"{out}: {len(merged)} keyframes in {len(merged.sessions())} sessions")


@map_app.command()
def export(
    place_map: options.MapFile,
    out: Annotated[Path, typer.Option(help=".npz: trajectories and descriptors; .csv: trajectories.")],
) -> None:
    """Export trajectories and descriptors for other programs.

    Examples:
    `a2gc map export town.a2gc --out town.npz`

    `a2gc map export town.a2gc --out town.csv`
    """
    from a2gc_ros.errors import MapError
    from a2gc_ros.placemap import export as run

    with look.open_map(place_map) as opened:
        if len(opened) == 0:
            raise MapError(f"{place_map} holds no keyframes, so there is nothing to export")
        run(opened, out)
        typer.echo(f"{out}: {len(opened)} keyframes")


@map_app.command()
def prune(
    place_map: options.MapFile,
    out: options.NewMap,
    older_than: Annotated[
        float, typer.Option(min=0, help="Days before the map's newest keyframe at which a session ended to be thinned.")
    ] = 30.0,
    distance: Annotated[float, typer.Option(min=0, help="Metres between the keyframes that stay.")] = 3.0,
    angle: Annotated[float, typer.Option(min=0, help="Degrees between the keyframes that stay.")] = 30.0,
    similarity: Annotated[
        float, typer.Option(min=-1, max=1, help="Without poses: keep one less similar than this to the last kept.")
    ] = 0.7,
    as_json: options.AsJson = False,
) -> None:
    """Thin the old sessions of a map, into a new map.

    A keyframe stays behind only where its own session has another one within this distance and angle. The map itself is
    not changed.

    Examples:
    `a2gc map prune town.a2gc --out thinned.a2gc`

    `a2gc map prune town.a2gc --older-than 7 --distance 5 --out thinned.a2gc`
    """
    from a2gc_ros.placemap import Spacing
    from a2gc_ros.placemap.pruning import prune as run

    spacing = Spacing(distance_m=distance, angle_rad=math.radians(angle), similarity=similarity)
    with look.open_map(place_map) as source, progress_bar("looking at keyframes") as show:
        behind = run(source, out, spacing, older_than * DAY_S, show)
        keyframes = len(source) - behind
    done = {"map": str(out), "keyframes": keyframes, "left_behind": behind}
    echo_result(done, f"{out}: {keyframes} keyframes; {behind} of {place_map} were left behind", as_json=as_json)


for _command in (redescribe, calibrate, fleet.push, fleet.pull, fleet.locate, link):
    map_app.command()(_command)
