"""``a2gc map link``: closures between the sessions of two maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json, print_table
from a2gc_ros.errors import ConfigError, MapError
from a2gc_ros.system.progress import progress_bar

if TYPE_CHECKING:
    from a2gc_ros.loops.linking import Link
    from a2gc_ros.placemap import PlaceMap


def link(
    place_map: options.MapFile,
    other: Annotated[
        Path, typer.Argument(help="The map of another robot, or one that was pulled.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The pose graph to write, a .g2o file, with a .csv beside it that names its vertices."),
    ] = None,
    bag: Annotated[
        Path | None, typer.Option(help="A recording (.mcap, .db3) to write, of the node's messages on /loop_closures.")
    ] = None,
    settings: options.LoopSettings = None,
    as_json: options.AsJson = False,
) -> None:
    """Find the closures between the sessions of two maps: where one robot came by a place of the other.

    Compared and checked as in the node, and against the odometry of both robots over all of their ways. Each pair of
    sessions is looked at once, and none with itself, whichever of them both maps hold.

    Examples:
    `a2gc map link robot1.a2gc robot2.a2gc --out joint.g2o`

    `a2gc map link mine.a2gc pulled.a2gc --bag closures.mcap --json`
    """
    from a2gc_ros.loops import LoopConfig
    from a2gc_ros.loops.linking import find_links
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.slam.closure_bag import write_closures
    from a2gc_ros.slam.linked_graph import link_graph, write_g2o, write_vertices

    if out is not None and out.suffix != ".g2o":
        raise ConfigError(f"--out {out} names no pose graph: let it end in .g2o")
    if bag is not None and bag.exists():
        raise ConfigError(f"--bag {bag} exists: name another file, or remove it")
    config = LoopConfig(**options.loop_settings(settings))
    with PlaceMap.open(place_map, read_only=True) as ours, PlaceMap.open(other, read_only=True) as theirs:
        with progress_bar("looking for keyframes", "keyframes") as show:
            links = find_links(ours, theirs, config, show)
        if not links.found:
            contradicting = f" ({links.contradicting} contradict one another)" if links.contradicting else ""
            raise MapError(
                f"{place_map} and {other} have no closure in common{contradicting}: did the robots see the same "
                "places, in the same direction? `a2gc map view` shows what a map holds"
            )
        done: dict[str, Any] = {
            "closures": len(links.found),
            "in_metres": sum(found.in_metres for found in links.found),
            "contradicting": links.contradicting,
            "unreadable": links.unreadable,
            "sessions": _pairs(ours, theirs, links.found),
        }
        if bag is not None:
            write_closures(links.found, bag)
            done["bag"] = str(bag)
        if out is not None:
            graph = link_graph(ours, theirs, links.found)
            write_g2o(graph, out)
            write_vertices(graph, out.with_suffix(".csv"))
            done["graph"] = {
                "file": str(out),
                "vertices": len(graph.vertices),
                "closures": len(graph.closures),
                "without_pose": graph.left_out,
                "components": graph.components,
            }
    if as_json:
        echo_json(done)
        return
    typer.echo(f"{done['closures']} closures, {done['in_metres']} with a pose in metres")
    if done["contradicting"]:
        typer.echo(f"{done['contradicting']} more contradict most of their sessions' closures and were left out")
    if done["unreadable"]:
        typer.echo(f"{done['unreadable']} keyframes have neither features nor an image, and could not be compared")
    print_table(
        ("session", "of the other map", "closures"),
        ((pair["session"], pair["other_session"], pair["closures"]) for pair in done["sessions"]),
    )
    if written := done.get("graph"):
        typer.echo(
            f"pose graph: {written['file']}, {written['vertices']} vertices, {written['closures']} closures; "
            f"{written['without_pose']} without a pose were left out"
        )
    if bag is not None:
        typer.echo(f"messages: {bag}")


def _pairs(ours: PlaceMap, theirs: PlaceMap, links: Sequence[Link]) -> list[dict[str, Any]]:
    """Counts the closures between each pair of sessions."""
    names = [{session.id: session for session in each.sessions()} for each in (ours, theirs)]
    counts = Counter((found.query.session_id, found.keyframe.session_id) for found in links)
    return [
        {
            "session": names[0][a].name,
            "uuid": names[0][a].uuid,
            "other_session": names[1][b].name,
            "other_uuid": names[1][b].uuid,
            "closures": count,
        }
        for (a, b), count in counts.items()
    ]
