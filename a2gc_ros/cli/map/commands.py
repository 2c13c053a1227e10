"""``a2gc map``: build place maps from recordings, look into them, merge and export them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json
from a2gc_ros.cli.map import fleet
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.sizes import show_size

if TYPE_CHECKING:
    from a2gc_ros.placemap import Keyframe, PlaceMap

map_app = typer.Typer(
    help="Build place maps from recordings, look into them, merge and export them.",
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    fleet.register(map_app)
    app.add_typer(map_app, name="map")


@map_app.command()
def build(
    bags: Annotated[list[Path], typer.Argument(help=".bag, .mcap or .db3 files, or rosbag2 folders.")],
    out: Annotated[Path, typer.Option(help="The map; gone on with if it exists.", show_default=False)],
    model: options.Model = DEFAULT_MODEL,
    backend: options.Backend = "auto",
    threads: options.Threads = 0,
    topic: options.Topic = None,
    pose_topic: Annotated[str | None, typer.Option(help="Topic of poses; an empty name takes none.")] = None,
    trajectory: Annotated[
        Path | None, typer.Option(help="Poses from a TUM, KITTI or CSV file in place of a topic.")
    ] = None,
    start: Annotated[float | None, typer.Option(min=0, help="First second of each recording.")] = None,
    stop: Annotated[float | None, typer.Option(min=0, help="First second no longer read.")] = None,
    distance: Annotated[float, typer.Option(min=0, help="With poses: metres between keyframes.")] = 1.0,
    angle: Annotated[float, typer.Option(min=0, help="With poses: degrees between keyframes.")] = 30.0,
    time: Annotated[
        float | None,
        typer.Option(help="Seconds between keyframes; with poses, those of a robot that stands still."),
    ] = None,
    similarity: Annotated[
        float, typer.Option(min=-1, max=1, help="Without poses: keep a frame less similar than this to the last kept.")
    ] = 0.9,
    batch: Annotated[int, typer.Option(min=1, help="Images described at once.")] = 8,
    features: Annotated[
        str, typer.Option(help="Local features kept for the geometric check: sift, orb, or none to find them later.")
    ] = "sift",
    picture_side: Annotated[
        int, typer.Option(min=0, help="Longest side of the pictures that are kept, pixels; 0 keeps none.")
    ] = 640,
    picture_quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of these pictures.")] = 85,
    depth: Annotated[
        str | None, typer.Option(help="Topic of depth images registered to the camera, for poses in metres.")
    ] = None,
    rectification: options.Rectification = "auto",
    sensor_bits: options.SensorBits = 0,
    shard: options.Shard = None,
    as_json: options.AsJson = False,
) -> None:
    """Build a place map from recordings, or go on with one that was interrupted.

    Each recording becomes a session. Ctrl-C, kill and power cuts leave a valid map; the same command goes on with it.

    Examples:
    `a2gc map build morning.mcap --out town.a2gc`

    `a2gc map build monday.bag tuesday.bag --out town.a2gc --topic /front/image_raw --distance 2`

    `a2gc map build walk.mcap --trajectory walk.tum --out walk.a2gc`
    """
    from a2gc_ros.cli.map.build import BuildOptions
    from a2gc_ros.cli.map.build import build as run
    from a2gc_ros.images.camera_options import CameraOptions
    from a2gc_ros.system import shards

    options = BuildOptions(
        bags=bags,
        out=out,
        model=model,
        backend=backend,
        threads=threads,
        topic=topic,
        pose_topic=pose_topic,
        trajectory=trajectory,
        start=start,
        stop=stop,
        distance_m=distance,
        angle_deg=angle,
        time_s=time,
        similarity=similarity,
        batch=batch,
        features=features,
        picture_side=picture_side,
        picture_quality=picture_quality,
        depth=depth,
        shard=None if shard is None else shards.parse(shard),
        camera=CameraOptions(rectification, sensor_bits),  # type: ignore[arg-type]
    )
    summaries = run(options)
    for summary in summaries:
        left_out = (f"left out {count} x {reason}" for reason, count in summary["left_out"].items())
        for note in (*summary["notes"], *left_out):
            typer.echo(f"{summary['recording']}: {note}", err=True)
    if as_json:
        echo_json({"map": str(out), "recordings": summaries})
        return
    for summary in summaries:
        text = f"{summary['recording']}: {summary['keyframes']} keyframes of {summary['frames']} images"
        if summary["resumed_from"] == summary["frames"]:
            text += "; the map had it already"
        else:
            text += f"; {summary['images_per_s']:.0f} images/s, {summary['real_time_factor']:.1f}x real time"
        typer.echo(text)
    typer.echo(f"map: {out}")


@map_app.command()
def info(place_map: options.MapFile, as_json: options.AsJson = False) -> None:
    """Print what a map holds and which model it was made with.

    Examples:
    `a2gc map info town.a2gc`

    `a2gc map info town.a2gc --json | jq .sessions`
    """
    with _open(place_map) as opened:
        summary = _summary(opened)
    if as_json:
        echo_json(summary)
        return
    created = datetime.fromtimestamp(summary["created_ns"] / 1e9, tz=timezone.utc)
    typer.echo(f"{summary['path']}: {summary['keyframes']} keyframes, {show_size(summary['bytes'])}")
    typer.echo(f"model {summary['model']}, {summary['descriptor_dim']} dimensions, {summary['fingerprint'][:12]}")
    typer.echo(f"created {created:%Y-%m-%d %H:%M} UTC")
    table = Table("session", "name", "keyframes", "seconds", "metres")
    for session in summary["sessions"]:
        metres = "" if session["travelled_m"] is None else f"{session['travelled_m']:.1f}"
        table.add_row(
            str(session["id"]), session["name"], str(session["keyframes"]), f"{session['seconds']:.1f}", metres
        )
    Console().print(table)


@map_app.command("list")
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
    with _open(place_map) as opened:
        keyframes = [_described(keyframe) for keyframe in opened.keyframes(session)]
    if as_json:
        echo_json(keyframes)
        return
    table = Table("keyframe", "session", "stamp [ns]", "x, y, z [m]", "travelled [m]")
    for entry in keyframes:
        place = "" if entry["position_m"] is None else ", ".join(f"{v:.2f}" for v in entry["position_m"])
        way = "" if entry["travelled_m"] is None else f"{entry['travelled_m']:.1f}"
        table.add_row(str(entry["keyframe_id"]), str(entry["session_id"]), str(entry["stamp_ns"]), place, way)
    Console().print(table)


@map_app.command()
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
    from a2gc_ros.errors import MapError

    with _open(place_map) as opened:
        entry = _described(opened.keyframe(keyframe_id))
        entry["neighbours"] = _neighbors(opened, keyframe_id, neighbors) if neighbors else []
        jpeg = opened.image(keyframe_id)
    if out is not None:
        if jpeg is None:
            raise MapError(f"keyframe {keyframe_id} of {place_map} was stored without an image")
        try:
            out.write_bytes(jpeg)
        except OSError as error:
            raise MapError(f"{out} cannot be written ({error})") from error
    if as_json:
        echo_json(entry)
        return
    place = "" if entry["position_m"] is None else " at " + ", ".join(f"{v:.2f}" for v in entry["position_m"]) + " m"
    typer.echo(f"keyframe {keyframe_id}, session {entry['session_id']}, stamp {entry['stamp_ns']} ns{place}")
    table = Table("keyframe", "session", "similarity")
    for neighbor in entry["neighbours"]:
        table.add_row(str(neighbor["keyframe_id"]), str(neighbor["session_id"]), f"{neighbor['similarity']:.3f}")
    if entry["neighbours"]:
        Console().print(table)
    if out is not None:
        typer.echo(f"image: {out}")


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
    from a2gc_ros.cli.map.view import view as run

    written = run(place_map, html, gap)
    typer.echo(json.dumps(written, indent=2) if as_json else f"{written['page']}: {written['keyframes']} keyframes")


@map_app.command()
def merge(
    maps: Annotated[list[Path], typer.Argument(help="Place maps made with the same model.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The map to write; must not exist.", show_default=False)],
) -> None:
    """Merge maps into one; their sessions stay apart, keyframes are numbered anew.

    Examples:
    `a2gc map merge north.a2gc south.a2gc --out town.a2gc`
    """
    from a2gc_ros.placemap import merge as run

    run(maps, out)
    with _open(out) as merged:
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

    with _open(place_map) as opened:
        if len(opened) == 0:
            raise MapError(f"{place_map} holds no keyframes, so there is nothing to export")
        run(opened, out)
        typer.echo(f"{out}: {len(opened)} keyframes")


@map_app.command()
def prune(
    place_map: options.MapFile,
    out: Annotated[Path, typer.Option(help="The map to write; must not exist.", show_default=False)],
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
    from a2gc_ros.cli.map.prune import prune as run

    done = run(place_map, out, older_than, distance, angle, similarity)
    if as_json:
        echo_json(done)
        return
    typer.echo(f"{out}: {done['keyframes']} keyframes; {done['left_behind']} of {place_map} were left behind")


@map_app.command()
def redescribe(
    place_map: options.MapFile,
    out: Annotated[Path, typer.Option(help="The map to write; must not exist.", show_default=False)],
    model: options.Model = DEFAULT_MODEL,
    recording: Annotated[
        list[Path] | None, typer.Option(help="Take images from this recording, before those the map keeps; repeatable.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Image topic of the recordings, where there are several.")] = None,
    backend: options.Backend = "auto",
    threads: options.Threads = 0,
    batch: Annotated[int, typer.Option(min=1, help="Images described at once.")] = 16,
    as_json: options.AsJson = False,
) -> None:
    """Describe a map's keyframes with another model, such as one that `a2gc adapt` made, into a new map.

    Everything else is kept: sessions, poses, images, local features. The map itself is not changed. Images are those
    that the map keeps, or the recordings' own where these are given. Ctrl-C is safe; the same command goes on.

    Examples:
    `a2gc map redescribe town.a2gc --model site.onnx --out town-site.a2gc`

    `a2gc map redescribe town.a2gc --model site.onnx --recording morning.mcap --out town-site.a2gc`
    """
    from a2gc_ros.cli.map.redescribe import redescribe as run

    done = run(place_map, out, model, recording or [], topic, backend, threads, batch)
    if as_json:
        echo_json(done)
        return
    typer.echo(
        f"{out}: {done['keyframes']} keyframes described by {done['model']}, {done['recorded']} from recordings and "
        f"{done['stored']} from the images that {place_map} keeps"
    )


@map_app.command()
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
    from a2gc_ros.cli.map.calibrate import calibrate as run

    found = run(place_map, out)
    if as_json:
        echo_json(found)
        return
    typer.echo(
        f"{found['queries']} of {found['keyframes']} keyframes were compared with keyframes of other places "
        f"(as good as {found['independent_queries']:g} independent ones)"
    )
    table = Table("false match for one query in", "needs a similarity of", "uncertain from", "to")
    for row in found["thresholds"]:
        low, high = row["interval"]
        table.add_row(f"{1 / row['rate']:,.0f}", f"{row['similarity']:.3f}", f"{low:.2g}", f"{high:.2g}")
    Console().print(table)
    typer.echo(f"look-alikes go on to the next keyframe with probability {found['persistence']:.2f}")
    if not found["stored"]:
        typer.echo("the map cannot be written, so this was not stored")
    if out is not None:
        typer.echo(f"picture: {out}")


def _open(path: Path) -> PlaceMap:
    from a2gc_ros.placemap import PlaceMap

    return PlaceMap.open(path, read_only=True)


def _summary(place_map: PlaceMap) -> dict[str, Any]:
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
