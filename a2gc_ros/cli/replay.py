"""``a2gc replay``: the whole chain over a recording, and a report of how many closures were right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import echo_result
from a2gc_ros.system.progress import progress_bars


@app.command()
def replay(
    *,
    bag: options.Bag,
    report: Annotated[Path, typer.Option(help="Folder for the report: index.html, numbers.json, pictures.")],
    maps: Annotated[
        list[Path] | None, typer.Option("--map", help="Place map to relocalize against; may be given often.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live/--offline", help="Through the node on a ROS 2 graph, or without ROS as fast as it goes."),
    ] = False,
    rate: Annotated[float, typer.Option(min=0.01, help="With --live: times the recorded speed.")] = 1.0,
    lockstep: Annotated[
        bool, typer.Option("--lockstep", help="With --live: the node answers each image before the next is played.")
    ] = False,
    chain: options.Chain,
    odometry: options.Odometry = None,
    truth: Annotated[
        str | None,
        typer.Option(help="True poses: a topic, or a TUM, KITTI or CSV file. Guessed where it is not given."),
    ] = None,
    radius: Annotated[float, typer.Option(min=0.1, help="Metres within which two images are the same place.")] = 15.0,
    settings: options.LoopSettings = None,
    rectification: options.Rectification = "auto",
    sensor_bits: options.SensorBits = 0,
    rerun: Annotated[
        Path | None, typer.Option(help="Also write this .rrd file for Rerun (needs rerun-sdk).", show_default=False)
    ] = None,
    foxglove: Annotated[
        Path | None,
        typer.Option(help="Also write this .mcap for Foxglove (needs foxglove-sdk).", show_default=False),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Replay a recording: find its loop closures, judge them by true poses, write a report.

    Examples:
    `a2gc replay run.mcap --report report`

    `a2gc replay run.mcap --live --rate 2 --report report`

    `a2gc replay evening.bag --map morning.a2gc --truth evening.tum --set threshold=0.8 --report report`
    """
    from a2gc_ros.images.camera_options import CameraOptions
    from a2gc_ros.replay.ground_truth import RevisitRule
    from a2gc_ros.replay.pipeline import ReplayOptions
    from a2gc_ros.replay.pipeline import replay as run

    wanted = ReplayOptions(
        bag=bag,
        report=report,
        live=live,
        **vars(chain),
        maps=tuple(maps or ()),
        loop=options.loop_settings(settings),
        odometry_topic=odometry,
        truth=truth,
        rule=RevisitRule(radius_m=radius),
        rate=rate,
        lockstep=lockstep,
        camera=CameraOptions(rectification, sensor_bits),  # type: ignore[arg-type]
        rerun=rerun,
        foxglove=foxglove,
    )
    with progress_bars("images") as bars:
        task = bars.add_task("offline" if live else "replaying", total=None)
        numbers = run(
            wanted,
            lambda done, total: bars.update(task, completed=done, total=total),
            lambda closures: bars.update(task, note=f"{closures} closures"),
        )
    for note in numbers["notes"]:
        typer.echo(note, err=True)
    echo_result(numbers, f"{_sentence(numbers)}\nreport: {report / 'index.html'}", as_json=as_json)


def _sentence(numbers: dict[str, Any]) -> str:
    text = f"{numbers['images']} images, {numbers['keyframes']} keyframes, {numbers['closures']} loop closures"
    if numbers["closures"]:
        text += f", {numbers['poses']['in_metres']} in metres"
    else:
        steps = numbers["funnel"]
        text += (
            f" ({steps['compared']} keyframes were compared with older ones, {steps['agree']} agree in geometry, "
            f"{steps['sure']} became sure: the report shows them, and what to turn)"
        )
    if numbers.get("precision") is not None:
        text += f"; precision {numbers['precision']:.3f}"
    if numbers.get("recall") is not None:
        text += f", recall {numbers['recall']:.3f} of {numbers['revisits']} revisits"
    if numbers["latency_ms"]["p50"] is not None:
        text += f"; median {numbers['latency_ms']['p50']:.1f} ms an image"
    same = numbers.get("same_as_offline")
    if same:
        text += "; the same closures live and offline"
    elif same is not None:
        text += f"; {numbers['only_live']} closures only live, {numbers['only_offline']} only offline"
    return text
