"""The work behind ``a2gc map redescribe``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2gc_ros.errors import MapError
from a2gc_ros.system.progress import progress_bar

if TYPE_CHECKING:
    from a2gc_ros.placemap import Keyframe, PlaceMap
    from a2gc_ros.placemap.redescribing import Picture


def redescribe(
    path: Path,
    out: Path,
    model: str,
    recordings: Sequence[Path],
    topic: str | None,
    backend: str,
    threads: int,
    batch: int,
) -> dict[str, Any]:
    """Writes a copy of a map that another model described, and measures how alike its places look.

    Args:
        path: The map.
        out: The map to write.
        model: Named model or ONNX file.
        recordings: Where to take images from before those that the map keeps.
        topic: Their image topic; None takes the only one.
        backend: Inference runtime.
        threads: CPU threads for inference; 0 leaves it to the runtime.
        batch: Images described at once.

    Returns:
        What was done, as JSON values.

    Raises:
        A2gcError: If the map, the model or a recording is not what it should be.
    """
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.placemap.impostors import write_impostors
    from a2gc_ros.placemap.redescribing import redescribe as run

    counts = {"recorded": 0, "stored": 0}
    with PlaceMap.open(path, read_only=True) as source:
        extractor = open_extractor(model, backend=backend, threads=threads)
        spec = extractor.spec
        with progress_bar("describing keyframes") as show:
            run(
                source,
                out,
                extractor,
                spec.name,
                lambda keyframes: _pictures(source, keyframes, recordings, topic, counts),
                batch=batch,
                on_progress=show,
            )
    with PlaceMap.open(out) as redescribed:
        write_impostors(redescribed, measure(redescribed))
        keyframes = len(redescribed)
    return {"map": str(out), "keyframes": keyframes, "model": spec.name, "fingerprint": spec.fingerprint, **counts}


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
