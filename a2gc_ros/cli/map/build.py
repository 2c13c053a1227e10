"""``a2gc map build``: recordings in, a place map out."""

from __future__ import annotations

import contextlib
import math
import time as clock
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.progress import TextColumn

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json
from a2gc_ros.errors import A2gcError, MapError
from a2gc_ros.images.camera_options import CameraOptions
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.progress import CountColumn, progress_bars

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from a2gc_ros.bags import Recording
    from a2gc_ros.extract import Extractor
    from a2gc_ros.images.frame import Frame
    from a2gc_ros.placemap import BuildProgress, MapBuilder, PlaceMap, Spacing

WITHOUT_FEATURES = "none"

DECODE_SIZE = (720, 1280)
"""(height, width) beyond which pixels are of use neither to a model nor to the image that is kept."""


@dataclass(frozen=True)
class _Reading:
    """What is read of each recording; arguments as those of ``a2gc map build``."""

    topic: str | None
    pose_topic: str | None
    trajectory: Path | None
    depth: str | None
    start: float | None
    stop: float | None
    camera: CameraOptions

    def frames(self, recording: Recording) -> Iterator[Frame]:
        """Reads a recording."""
        from a2gc_ros.bags.pose_table import read_trajectory

        return recording.frames(
            self.topic,
            self.pose_topic,
            None if self.trajectory is None else read_trajectory(self.trajectory),
            depth_topic=self.depth,
            start=self.start,
            stop=self.stop,
            camera=self.camera,
            max_size=DECODE_SIZE,
        )

    def identity(self, recording: Recording) -> str:
        """Returns what a session says of where it comes from."""
        from a2gc_ros.placemap.identity import source_identity

        return source_identity(
            recording.path,
            topic=self.topic,
            poses=self.pose_topic,
            trajectory=None if self.trajectory is None else source_identity(self.trajectory),
            start=self.start,
            stop=self.stop,
            camera=None if self.camera == CameraOptions() else str(asdict(self.camera)),
        )

    def seconds(self, recording: Recording) -> float:
        """Returns how much of a recording is read."""
        return min(recording.duration, self.stop or math.inf) - (self.start or 0.0)


def build(
    bags: Annotated[list[Path], typer.Argument(help=".bag, .mcap or .db3 files, or rosbag2 folders.")],
    out: Annotated[Path, typer.Option(help="The map; gone on with if it exists.", show_default=False)],
    model: options.Model = DEFAULT_MODEL,
    backend: options.Backend = "auto",
    threads: options.Threads = 0,
    topic: options.Topic = None,
    pose_topic: options.Odometry = None,
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
        str,
        typer.Option(help="Local features kept for the check: sift, corners, orb, or none to find them later."),
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
    from a2gc_ros.bags import open_recording
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.loops import LoopConfig
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.loops.local_features import FEATURES
    from a2gc_ros.loops.verification.feature_finder import FeatureFinder
    from a2gc_ros.placemap import BuildPlan, MapBuilder, Spacing
    from a2gc_ros.placemap.impostors import write_impostors
    from a2gc_ros.placemap.thumbnails import encode_jpeg
    from a2gc_ros.system.shards import parse

    part = None if shard is None else parse(shard)
    if features not in (known := (*FEATURES, WITHOUT_FEATURES)):
        raise MapError(f"features is {features!r}, it must be one of {', '.join(known)}")
    if features == WITHOUT_FEATURES and picture_side == 0:
        raise MapError("with neither features nor pictures no keyframe can be compared: keep one of them")
    find_features = None
    if features != WITHOUT_FEATURES:
        find_features = FeatureFinder(features, LoopConfig().max_features).find_encoded

    def encode(image: npt.NDArray[np.uint8]) -> bytes | None:
        return encode_jpeg(image, picture_side, picture_quality) if picture_side else None

    camera = CameraOptions(rectification, sensor_bits)  # type: ignore[arg-type]
    reading = _Reading(topic, pose_topic, trajectory, depth, start, stop, camera)
    spacing = Spacing(distance_m=distance, angle_rad=math.radians(angle), time_s=time, similarity=similarity)
    with contextlib.ExitStack() as opened:
        recordings = [opened.enter_context(open_recording(bag)) for bag in bags]
        # A wrong topic is told before a map is begun.
        for recording in recordings:
            recording.image_topic(topic)
        extractor = open_extractor(model, backend=backend, threads=threads)
        fresh = not out.exists()
        with _open_map(out, extractor, spacing) as place_map, _nothing_left(place_map, fresh):
            builder = MapBuilder(place_map, extractor, BuildPlan(spacing, batch, find_features, encode, part))
            summaries = [_add(recording, builder, reading, out) for recording in recordings]
            if part is None:
                # So that the map is ready to be searched wherever it is loaded.
                write_impostors(place_map, measure(place_map))
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


def _open_map(out: Path, extractor: Extractor, spacing: Spacing) -> PlaceMap:
    from a2gc_ros.placemap import Manifest, PlaceMap

    spec = extractor.spec
    if out.exists():
        return PlaceMap.open(out, fingerprint=spec.fingerprint, model_name=spec.name)
    return PlaceMap.create(out, Manifest.of(spec, {"spacing": asdict(spacing)}))


@contextlib.contextmanager
def _nothing_left(place_map: PlaceMap, fresh: bool) -> Iterator[None]:
    """Removes a map that was begun here where an error leaves it without a single keyframe."""
    try:
        yield
    except A2gcError:
        if fresh and len(place_map) == 0:
            place_map.close()
            for ending in ("", "-wal", "-shm"):
                Path(f"{place_map.path}{ending}").unlink(missing_ok=True)
        raise


def _add(recording: Recording, builder: MapBuilder, reading: _Reading, out: Path) -> dict[str, Any]:
    """Adds a recording to the map and returns what came of it, as JSON values."""
    frames, source = reading.frames(recording), reading.identity(recording)
    begin = clock.monotonic()
    first: list[BuildProgress] = []
    with progress_bars("", CountColumn(), TextColumn("{task.fields[speed]}")) as bar:
        task = bar.add_task(recording.path.name, total=recording.image_topic(reading.topic).count, speed="")

        def show(progress: BuildProgress) -> None:
            if not first:
                first.append(progress)
            bar.update(
                task,
                completed=progress.frames,
                speed=_speed(first[0], progress, clock.monotonic() - begin),
                note=_on_disk(out),
            )

        result = builder.build(source, frames, session_name=recording.path.stem, on_progress=show)
    seconds = clock.monotonic() - begin
    read = result.frames - result.resumed_from
    return {
        "recording": str(recording.path),
        "session": result.session.id,
        "frames": result.frames,
        "keyframes": result.keyframes,
        "resumed_from": result.resumed_from,
        "skipped": recording.skips.total,
        "left_out": dict(recording.skips.reasons),
        "notes": list(recording.notes),
        "seconds": seconds,
        "images_per_s": read / seconds if read else 0.0,
        "real_time_factor": reading.seconds(recording) * read / max(1, result.frames) / seconds,
    }


def _on_disk(place_map: Path) -> str:
    """Says how large a map is by now."""
    files = (place_map, Path(f"{place_map}-wal"))
    return f"{sum(file.stat().st_size for file in files if file.exists()) / 1e6:.0f} MB"


def _speed(first: BuildProgress, now: BuildProgress, seconds: float) -> str:
    """Says how fast the build is: images a second, and recorded seconds a second."""
    if now is first or seconds <= 0:
        return ""
    images = (now.frames - first.frames) / seconds
    factor = (now.stamp_ns - first.stamp_ns) / 1e9 / seconds
    return f"{images:.0f} images/s, {factor:.1f}x real time"
