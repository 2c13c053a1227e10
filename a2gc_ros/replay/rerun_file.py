"""A run for Rerun: camera, path, closures, matches and numbers on one time line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from a2gc_ros.errors import ConfigError
from a2gc_ros.images.decode import compressed_size
from a2gc_ros.replay.explored import Explored
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.moments import Link, moments, pixels
from a2gc_ros.replay.rerun_layout import TIME, layout
from a2gc_ros.viz.page_data import Fate

CLOSURE, WRONG, HELD, PATH = (0, 158, 115), (213, 94, 0), (230, 159, 0), (140, 140, 140)


def write_rerun(path: Path, judged: Judged, explored: Explored) -> None:
    """Writes a recording of a run that `rerun FILE.rrd` opens.

    Raises:
        ConfigError: If the file cannot be written.
    """
    import rerun as rr
    import rerun.blueprint as rrb

    recording = rr.RecordingStream("a2gc_replay", recording_id=judged.recording)
    names = {"/camera": "Now", "/recognized": "Then"}
    # Every segment and every closure is written once.
    views = layout([rrb.Spatial2DView(origin=entity, name=name) for entity, name in names.items()], until_now=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recording.save(path, default_blueprint=views)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{path} cannot be written ({error}): name another file with --rerun") from error
    colors = {"closures": CLOSURE, "wrong": WRONG, "held": HELD}
    before = None
    for moment in moments(judged, explored):
        recording.set_time(TIME, timestamp=np.datetime64(moment.stamp_ns, "ns"))
        if moment.jpeg is not None:
            recording.log("camera/image", rr.EncodedImage(contents=moment.jpeg, media_type="image/jpeg"))
        if moment.position is not None:
            recording.log("world/path", rr.LineStrips3D([[before or moment.position, moment.position]], colors=[PATH]))
        before = moment.position
        if math.isfinite(moment.latency_ms):
            recording.log("latency_ms", rr.Scalars(moment.latency_ms))
        for kind, color in colors.items():
            lines = [
                [link.here, link.there] for link in moment.links if _kind(link) == kind and link.here and link.there
            ]
            if lines:
                recording.log(f"world/{kind}", rr.LineStrips3D(lines, colors=[color]))
        closure = next((link for link in moment.links if link.row.fate is Fate.CLOSURE), None)
        if moment.links:
            best = moment.links[0].row
            recording.log("similarity", rr.Scalars(best.similarity))
            if best.probability is not None:
                recording.log("probability", rr.Scalars(best.probability))
        if closure is not None:
            _log_closure(recording, moment.jpeg, closure)
        else:
            for entity in ("camera/matches", "recognized"):
                recording.log(entity, rr.Clear(recursive=True))
    recording.flush()
    recording.disconnect()


def _kind(link: Link) -> str:
    if link.row.fate is not Fate.CLOSURE:
        return "held"
    return "wrong" if link.row.right is False else "closures"


def _log_closure(recording: Any, jpeg: bytes | None, link: Link) -> None:
    """Shows what a closure recognized, and the features that agree."""
    import rerun as rr

    if link.jpeg is not None:
        recording.log("recognized/image", rr.EncodedImage(contents=link.jpeg, media_type="image/jpeg"))
    row = link.row
    words = f"similarity {row.similarity:.2f}, {row.inliers} features agree"
    if row.probability is not None:
        words += f", probability {row.probability:.4f}"
    recording.log("closures", rr.TextLog(words))
    if link.found is None:
        return
    for side, (entity, picture) in enumerate((("camera/matches", jpeg), ("recognized/matches", link.jpeg))):
        if picture is not None:
            points = pixels(link.found, side, *compressed_size(picture))
            recording.log(entity, rr.Points2D(points, colors=[CLOSURE], radii=[2.0]))
