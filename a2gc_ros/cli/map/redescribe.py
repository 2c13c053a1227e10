"""``a2gc map redescribe``: a map described by another model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_result
from a2gc_ros.errors import MapError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.progress import progress_bar

if TYPE_CHECKING:
    from a2gc_ros.placemap import Keyframe, PlaceMap
    from a2gc_ros.placemap.redescribing import Picture


def redescribe(
    place_map: options.MapFile,
    out: options.NewMap,
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
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.placemap.impostors import write_impostors
    from a2gc_ros.placemap.redescribing import redescribe as run

    counts = {"recorded": 0, "stored": 0}
    with PlaceMap.open(place_map, read_only=True) as source:
        extractor = open_extractor(model, backend=backend, threads=threads)
        spec = extractor.spec
        with progress_bar("describing keyframes") as show:
            run(
                source,
                out,
                extractor,
                lambda keyframes: _pictures(source, keyframes, recording or (), topic, counts),
                batch=batch,
                on_progress=show,
            )
    with PlaceMap.open(out) as redescribed:
        write_impostors(redescribed, measure(redescribed))
        count = len(redescribed)
    done = {"map": str(out), "keyframes": count, "model": spec.name, "fingerprint": spec.fingerprint, **counts}
    sentence = (
        f"{out}: {count} keyframes described by {spec.name}, {counts['recorded']} from recordings and "
        f"{counts['stored']} from the images that {place_map} keeps"
    )
    echo_result(done, sentence, as_json=as_json)


def _pictures(
    source: PlaceMap,
    keyframes: list[Keyframe],
    recordings: Sequence[Path],
    topic: str | None,
    counts: dict[str, int],
) -> Iterator[Picture]:
    """Yields images of the recordings, and of what these lack those that the map keeps."""
    from a2gc_ros.bags import open_recording
    from a2gc_ros.cli.map.build import DECODE_SIZE
    from a2gc_ros.placemap.redescribing import recorded_pictures, stored_pictures

    missing = {keyframe.id: keyframe for keyframe in keyframes}
    for path in recordings:
        sessions = _sessions_of(source, path)
        wanted = [keyframe for keyframe in missing.values() if keyframe.session_id in sessions]
        with open_recording(path) as recording:
            frames = recording.frames(topic, pose_topic="", info_topic="", max_size=DECODE_SIZE)
            for keyframe_id, image in recorded_pictures(frames, wanted):
                del missing[keyframe_id]
                counts["recorded"] += 1
                yield keyframe_id, image
    for picture in stored_pictures(source, list(missing.values())):
        counts["stored"] += 1
        yield picture


def _sessions_of(source: PlaceMap, path: Path) -> set[int]:
    """Returns the sessions that may come from a recording: those read from it, and live ones.

    Raises:
        MapError: If there is none.
    """
    from a2gc_ros.placemap.identity import source_identity

    # Its name may have changed since.
    digest = source_identity(path).rpartition(" ")[2]
    found = {session.id for session in source.sessions() if not session.source or digest in session.source}
    if not found:
        raise MapError(f"no session of {source.path} comes from {path}: `a2gc map info` lists them")
    return found
