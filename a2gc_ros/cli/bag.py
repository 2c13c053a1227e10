"""``a2gc bag``: look into recordings, and make them from folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import group
from a2gc_ros.cli.base.output import echo_json
from a2gc_ros.system.progress import progress_bars

if TYPE_CHECKING:
    from a2gc_ros.bags.recording import Recording

bag_app = group("bag", "Look into recordings, and make them from folders of images.")


@bag_app.command()
def info(bag: options.Bag, as_json: options.AsJson = False) -> None:
    """Print the topics of a recording, and which of them a place map would be built from.

    Examples:
    `a2gc bag info run.mcap`

    `a2gc bag info run.bag --json | jq .image_topic`
    """
    from a2gc_ros.bags.recording import open_recording

    with open_recording(bag) as recording:
        summary = _summary(recording)
    if as_json:
        echo_json(summary)
    else:
        _print_summary(summary)


@bag_app.command("from-images")
def from_images(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of .jpg or .png images, or an EuRoC folder with data.csv.", show_default=False),
    ],
    out: options.NewBag,
    poses: Annotated[
        Path | None,
        typer.Option(
            help="Poses: TUM, or CSV with stamp or image, x, y and a quaternion or yaw_rad.", show_default=False
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Images per second, where nothing says when they were taken.", show_default=False),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="The camera's YAML, from ROS's camera_calibration or EuRoC.", show_default=False)
    ] = None,
    topic: Annotated[str, typer.Option(help="Image topic; compressed images go to its /compressed.")] = (
        "/camera/image_raw"
    ),
    frame_id: Annotated[str, typer.Option(help="Frame of the camera.")] = "camera",
    raw: Annotated[bool, typer.Option("--raw", help="Store pixels in place of the files as they are.")] = False,
    jpeg_quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Store every image as a JPEG of this quality.", show_default=False),
    ] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Compress the .mcap file; worth it with --raw.")] = False,
) -> None:
    """Make a recording from a folder of images, with odometry where their poses are known.

    Examples:
    `a2gc bag from-images photos --rate 2 --out walk.mcap`

    `a2gc bag from-images run/images --poses run/poses.csv --rate 1 --out run.mcap`

    `a2gc bag from-images MH_01_easy/mav0/cam0 --out mh01.mcap`
    """
    from a2gc_ros.bags.image_folder import open_image_folder, write_image_folder

    content = open_image_folder(folder, poses=poses, rate=rate, calibration=calibration)
    with progress_bars("images") as progress:
        task = progress.add_task("writing", total=len(content.images))
        skips = write_image_folder(
            content,
            out,
            topic=topic,
            frame_id=frame_id,
            raw=raw,
            jpeg_quality=jpeg_quality,
            compress=compress,
            on_image=lambda: progress.advance(task),
        )
    written = len(content.images) - skips.total
    seconds = (content.images[-1][0] - content.images[0][0]) / 1e9
    typer.echo(f"{out}: {written} images, {len(content.poses)} poses, {seconds:.1f} s")
    if skips:
        typer.echo(f"left out:\n{skips}", err=True)


def _summary(recording: Recording) -> dict[str, Any]:
    from a2gc_ros.bags.topics import image_topic, info_topic, pose_topic
    from a2gc_ros.errors import BagError

    topics = recording.topics
    summary: dict[str, Any] = {
        "path": str(recording.path),
        "duration_s": recording.duration,
        "start_ns": recording.start_ns,
        "topics": [{"name": t.name, "type": t.type, "count": t.count, "is_image": t.is_image} for t in topics],
        "image_topic": None,
        "pose_topic": None,
        "info_topic": None,
        "to_choose": [],
    }
    try:
        image = image_topic(topics)
        summary["image_topic"] = image.name
        calibration = info_topic(topics, image)
        summary["info_topic"] = calibration.name if calibration else None
    except BagError as error:
        summary["to_choose"].append(str(error))
    try:
        poses = pose_topic(topics)
        summary["pose_topic"] = poses.name if poses else None
    except BagError as error:
        summary["to_choose"].append(str(error))
    return summary


def _print_summary(summary: dict[str, Any]) -> None:
    uses = {summary["image_topic"]: "images", summary["pose_topic"]: "poses", summary["info_topic"]: "calibration"}
    duration = summary["duration_s"]
    table = Table(title=escape(f"{summary['path']}: {duration:.1f} s"), title_justify="left", title_style="bold")
    table.add_column("topic", overflow="fold")
    table.add_column("type", overflow="fold")
    table.add_column("messages", justify="right")
    table.add_column("Hz", justify="right")
    table.add_column("used for")
    for topic in summary["topics"]:
        hertz = f"{(topic['count'] - 1) / duration:.1f}" if duration > 0 and topic["count"] > 1 else ""
        cells = topic["name"], topic["type"].replace("/msg/", "/"), str(topic["count"])
        table.add_row(*map(escape, cells), hertz, uses.get(topic["name"], ""))
    Console().print(table)
    for sentence in summary["to_choose"]:
        typer.echo(sentence)
