"""``a2gc map build``: recordings in, a place map out."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import TextColumn

from a2gc_ros.errors import A2gcError, MapError
from a2gc_ros.images.camera_options import CameraOptions
from a2gc_ros.system.progress import CountColumn, progress_bars

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from a2gc_ros.bags import Recording
    from a2gc_ros.extract import Extractor
    from a2gc_ros.placemap import BuildProgress, PlaceMap, Spacing
    from a2gc_ros.system.shards import Shard

WITHOUT_FEATURES = "none"

DECODE_SIZE = (720, 1280)
"""(height, width) beyond which pixels are of use neither to a model nor to the image that is kept."""


@dataclass(frozen=True)
class BuildOptions:
    """What is built, of what, and how.

    Attributes:
        bags: Recordings; each becomes a session.
        out: The map; it is gone on with if it exists.
        model: Named model or ONNX file.
        backend: Inference runtime.
        threads: CPU threads for inference; 0 leaves it to the runtime.
        topic: Image topic; None takes the only one.
        pose_topic: None takes the best there is; empty takes none.
        trajectory: TUM, KITTI or CSV file of poses, in place of a topic.
        start: First second of each recording; None for its begin.
        stop: First second no longer read; None for its end.
        distance_m: Metres between keyframes.
        angle_deg: Degrees between keyframes.
        time_s: Seconds between keyframes; see :class:`a2gc_ros.placemap.Spacing`.
        similarity: Without poses: cosine to the last keyframe below which a frame is kept.
        batch: Images described at once.
        features: Local features kept with each keyframe: sift, orb or none.
        picture_side: Longest side of the pictures that are kept, pixels; 0 keeps none.
        picture_quality: JPEG quality of these pictures.
        depth: Topic of depth images registered to the camera; None takes none.
        shard: The part to build; None builds all.
        camera: What the user says of the camera.
    """

    bags: Sequence[Path]
    out: Path
    model: str
    backend: str
    threads: int
    topic: str | None
    pose_topic: str | None
    trajectory: Path | None
    start: float | None
    stop: float | None
    distance_m: float
    angle_deg: float
    time_s: float | None
    similarity: float
    batch: int
    features: str
    picture_side: int
    picture_quality: int
    depth: str | None
    shard: Shard | None
    camera: CameraOptions = field(default_factory=CameraOptions)


def build(options: BuildOptions) -> list[dict[str, Any]]:
    """Builds the map and returns one summary per recording.

    Raises:
        A2gcError: If a recording, the model or the map is not what it should be.
    """
    from a2gc_ros.bags import open_recording
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.loops.local_features import FEATURES
    from a2gc_ros.placemap import Spacing
    from a2gc_ros.placemap.impostors import write_impostors

    if options.features not in (known := (*FEATURES, WITHOUT_FEATURES)):
        raise MapError(f"features is {options.features!r}, it must be one of {', '.join(known)}")
    if options.features == WITHOUT_FEATURES and options.picture_side == 0:
        raise MapError("with neither features nor pictures no keyframe can be compared: keep one of them")
    spacing = Spacing(
        distance_m=options.distance_m,
        angle_rad=math.radians(options.angle_deg),
        time_s=options.time_s,
        similarity=options.similarity,
    )
    recordings = [open_recording(bag) for bag in options.bags]
    try:
        # A wrong topic is told before a map is begun.
        for recording in recordings:
            recording.image_topic(options.topic)
        extractor = open_extractor(options.model, backend=options.backend, threads=options.threads)
        fresh = not options.out.exists()
        with _open_map(options, extractor, spacing) as place_map, _nothing_left(place_map, fresh):
            summaries = [_add(recording, place_map, extractor, spacing, options) for recording in recordings]
            if options.shard is None:
                # So that the map is ready to be searched wherever it is loaded.
                write_impostors(place_map, measure(place_map))
            return summaries
    finally:
        for recording in recordings:
            recording.close()


def _open_map(options: BuildOptions, extractor: Extractor, spacing: Spacing) -> PlaceMap:
    from dataclasses import asdict

    from a2gc_ros.placemap import Manifest, PlaceMap

    spec = extractor.spec
    if options.out.exists():
        place_map = PlaceMap.open(options.out)
        place_map.require(spec.fingerprint, spec.name)
        return place_map
    manifest = Manifest.of(spec, {"spacing": asdict(spacing)})
    return PlaceMap.create(options.out, manifest)


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


def _add(
    recording: Recording, place_map: PlaceMap, extractor: Extractor, spacing: Spacing, options: BuildOptions
) -> dict[str, Any]:
    from a2gc_ros.bags.pose_table import read_trajectory
    from a2gc_ros.loops import LoopConfig
    from a2gc_ros.loops.verification.views import FeatureFinder
    from a2gc_ros.placemap import BuildPlan, MapBuilder
    from a2gc_ros.placemap.identity import source_identity
    from a2gc_ros.placemap.thumbnails import encode_jpeg

    trajectory = None if options.trajectory is None else read_trajectory(options.trajectory)
    frames = recording.frames(
        options.topic,
        options.pose_topic,
        trajectory,
        depth_topic=options.depth,
        start=options.start,
        stop=options.stop,
        camera=options.camera,
        max_size=DECODE_SIZE,
    )
    source = source_identity(
        recording.path,
        topic=options.topic,
        poses=options.pose_topic,
        trajectory=None if options.trajectory is None else source_identity(options.trajectory),
        start=options.start,
        stop=options.stop,
        camera=None if options.camera == CameraOptions() else str(dataclasses.asdict(options.camera)),
    )
    find_features = None
    if options.features != WITHOUT_FEATURES:
        find_features = FeatureFinder(options.features, LoopConfig().max_features).find_encoded

    def encode(image: npt.NDArray[np.uint8]) -> bytes | None:
        return encode_jpeg(image, options.picture_side, options.picture_quality) if options.picture_side else None

    builder = MapBuilder(place_map, extractor, BuildPlan(spacing, options.batch, find_features, encode, options.shard))
    begin = time.monotonic()
    first: list[BuildProgress] = []
    with progress_bars("", CountColumn(), TextColumn("{task.fields[speed]}")) as bar:
        task = bar.add_task(recording.path.name, total=recording.image_topic(options.topic).count, speed="")

        def show(progress: BuildProgress) -> None:
            if not first:
                first.append(progress)
            bar.update(
                task,
                completed=progress.frames,
                speed=_speed(first[0], progress, time.monotonic() - begin),
                note=_on_disk(options.out),
            )

        result = builder.build(source, frames, session_name=recording.path.stem, on_progress=show)
    seconds = time.monotonic() - begin
    read = result.frames - result.resumed_from
    recorded_s = min(recording.duration, options.stop or math.inf) - (options.start or 0.0)
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
        "real_time_factor": recorded_s * read / max(1, result.frames) / seconds,
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
