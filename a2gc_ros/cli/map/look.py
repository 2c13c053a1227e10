"""``a2gc map info``, ``list`` and ``show``: look into a map."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json, print_table
from a2gc_ros.errors import MapError
from a2gc_ros.system.sizes import show_size

if TYPE_CHECKING:
    from a2gc_ros.placemap import Keyframe, PlaceMap


def info(place_map: options.MapFile, as_json: options.AsJson = False) -> None:
    """Print what a map holds and which model it was made with.

    Examples:
    `a2gc map info town.a2gc`

    `a2gc map info town.a2gc --json | jq .sessions`
    """
    with open_map(place_map) as opened:
        summary = summary_of(opened)
    if as_json:
        echo_json(summary)
        return
    created = datetime.fromtimestamp(summary["created_ns"] / 1e9, tz=timezone.utc)
    typer.echo(f"{summary['path']}: {summary['keyframes']} keyframes, {show_size(summary['bytes'])}")
    typer.echo(f"model {summary['model']}, {summary['descriptor_dim']} dimensions, {summary['fingerprint'][:12]}")
    typer.echo(f"created {created:%Y-%m-%d %H:%M} UTC")
    print_table(
        ("session", "name", "keyframes", "seconds", "metres"),
        ((s["id"], s["name"], s["keyframes"], f"{s['seconds']:.1f}", _metres(s)) for s in summary["sessions"]),
    )


def list_keyframes(
    place_map: options.MapFile,
    session: Annotated[int | None, typer.Option(help="Only this session.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the keyframes of a map.

    Examples:
    `a2gc map list town.a2gc --session 1`

    `a2gc map list town.a2gc --json | jq '.[].stamp_ns'`
    """
    with open_map(place_map) as opened:
        if session is not None and all(found.id != session for found in opened.sessions()):
            raise MapError(f"{place_map} has no session {session}: `a2gc map info` lists them")
        keyframes = [_described(keyframe) for keyframe in opened.keyframes(session)]
    if as_json:
        echo_json(keyframes)
        return
    print_table(
        ("keyframe", "session", "stamp [ns]", "x, y, z [m]", "travelled [m]"),
        (
            (k["keyframe_id"], k["session_id"], k["stamp_ns"], position_text(k["position_m"]), _metres(k))
            for k in keyframes
        ),
    )


def show(
    place_map: options.MapFile,
    keyframe_id: Annotated[int, typer.Argument(help="Number of the keyframe, as `a2gc map list` prints it.")],
    out: Annotated[Path | None, typer.Option(help="Write the keyframe's image to this .jpg file.")] = None,
    neighbors: Annotated[
        int, typer.Option("--neighbors", "--neighbours", min=0, help="How many of the most similar keyframes to print.")
    ] = 5,
    as_json: options.AsJson = False,
) -> None:
    """Show a keyframe, its image and the keyframes that look most like it.

    Examples:
    `a2gc map show town.a2gc 17`

    `a2gc map show town.a2gc 17 --out 17.jpg`
    """
    with open_map(place_map) as opened:
        entry = _described(opened.keyframe(keyframe_id))
        entry["neighbours"] = _neighbors(opened, keyframe_id, neighbors) if neighbors else []
        jpeg = opened.image(keyframe_id)
    if out is not None:
        if jpeg is None:
            raise MapError(f"keyframe {keyframe_id} of {place_map} was stored without an image")
        out.write_bytes(jpeg)
    if as_json:
        echo_json(entry)
        return
    place = f" at {position_text(entry['position_m'])} m" if entry["position_m"] else ""
    typer.echo(f"keyframe {keyframe_id}, session {entry['session_id']}, stamp {entry['stamp_ns']} ns{place}")
    if alike := entry["neighbours"]:
        rows = ((n["keyframe_id"], n["session_id"], f"{n['similarity']:.3f}") for n in alike)
        print_table(("keyframe", "session", "similarity"), rows)
    if out is not None:
        typer.echo(f"image: {out}")


def position_text(position: Sequence[float] | None) -> str:
    """Says where something is, in metres; nothing where that is not known."""
    return ", ".join(f"{value:.2f}" for value in position or ())


def _metres(entry: dict[str, Any]) -> str:
    return "" if entry["travelled_m"] is None else f"{entry['travelled_m']:.1f}"


def open_map(path: Path) -> PlaceMap:
    """Opens a map to read it."""
    from a2gc_ros.placemap import PlaceMap

    return PlaceMap.open(path, read_only=True)


def summary_of(place_map: PlaceMap) -> dict[str, Any]:
    """Returns what `a2gc map info` tells."""
    from a2gc_ros.placemap.summary import summaries

    manifest = place_map.manifest
    sessions = [
        {
            "id": found.session.id,
            "uuid": found.session.uuid,
            "name": found.session.name,
            "source": found.session.source,
            "keyframes": found.keyframes,
            "seconds": found.seconds,
            "travelled_m": found.path_length,
        }
        for found in summaries(place_map)
    ]
    return {
        "path": place_map.path,
        "bytes": Path(place_map.path).stat().st_size,
        "keyframes": len(place_map),
        "model": manifest.model_name,
        "fingerprint": manifest.fingerprint,
        "descriptor_dim": manifest.descriptor_dim,
        "uuid": manifest.uuid,
        "created_ns": manifest.created_ns,
        "settings": manifest.settings,
        "sessions": sessions,
    }


def _described(keyframe: Keyframe) -> dict[str, Any]:
    from a2gc_ros import geometry

    pose = keyframe.pose
    return {
        "keyframe_id": keyframe.id,
        "session_id": keyframe.session_id,
        "stamp_ns": keyframe.stamp_ns,
        "position_m": None if pose is None else pose[:3, 3].tolist(),
        "orientation_xyzw": None if pose is None else geometry.quaternion_of(pose).tolist(),
        "travelled_m": keyframe.path_length,
        "frame_id": keyframe.frame_id,
    }


def _neighbors(place_map: PlaceMap, keyframe_id: int, count: int) -> list[dict[str, Any]]:
    import numpy as np

    descriptor = place_map.descriptors([keyframe_id])
    similarities, ids = place_map.search(descriptor, count, exclude=np.array([keyframe_id]))
    return [
        {
            "keyframe_id": int(found),
            "session_id": place_map.keyframe(int(found)).session_id,
            "similarity": float(similarity),
        }
        for similarity, found in zip(similarities[0], ids[0], strict=True)
        if found >= 0
    ]
