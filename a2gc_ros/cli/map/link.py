"""The work behind ``a2gc map link``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2gc_ros.errors import ConfigError, MapError
from a2gc_ros.system.progress import progress_bar

if TYPE_CHECKING:
    from a2gc_ros.loops.linking import Link
    from a2gc_ros.placemap import PlaceMap


def link(first: Path, second: Path, out: Path | None, bag: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Finds the closures between the sessions of two maps, and writes them.

    Args:
        first: The map whose keyframes are looked for.
        second: The map that is searched.
        out: The .g2o file of the pose graph; the table of its vertices goes beside it.
        bag: The recording of messages.
        settings: Of loop detection, that differ from the defaults.

    Returns:
        What was found, as JSON values.

    Raises:
        A2gcError: If a map is not what it should be, nothing was found, or a file cannot be written.
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
    config = LoopConfig(**settings)
    with PlaceMap.open(first, read_only=True) as ours, PlaceMap.open(second, read_only=True) as theirs:
        with progress_bar("looking for keyframes", "keyframes") as show:
            links = find_links(ours, theirs, config, show)
        if not links.found:
            contradicting = f" ({links.contradicting} contradict one another)" if links.contradicting else ""
            raise MapError(
                f"{first} and {second} have no closure in common{contradicting}: did the robots see the same "
                "places, in the same direction? `a2gc map view` shows what a map holds"
            )
        done = {
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
        return done


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
