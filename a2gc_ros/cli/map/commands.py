"""``a2gc map``: build place maps from recordings, look into them, merge and export them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json
from a2gc_ros.cli.map import fleet, look
from a2gc_ros.shipped import DEFAULT_MODEL

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
    from a2gc_ros.cli.map.view import view as run

    written = run(place_map, html, gap)
    if as_json:
        echo_json(written)
        return
    typer.echo(f"{written['page']}: {written['keyframes']} keyframes")


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
