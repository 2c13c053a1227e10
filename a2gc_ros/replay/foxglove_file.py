"""A run for Foxglove: an MCAP file with Foxglove's own schemas, which opens without any ROS definition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from a2gc_ros.errors import ConfigError
from a2gc_ros.images.decode import compressed_size
from a2gc_ros.replay.explored import Explored
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.moments import Link, Point, moments, pixels
from a2gc_ros.viz.page_data import Fate

FRAME: Final = "map"

NUMBERS: Final = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("similarity", "probability", "inliers", "latency_ms")},
}
"""Schema of the topic that plots read."""


def write_foxglove(path: Path, judged: Judged, explored: Explored) -> None:
    """Writes an MCAP file of a run that Foxglove opens with config/replay.foxglove.json, over one that is there.

    Topics: ``/camera`` and ``/recognized`` (CompressedImage), ``/camera/matches`` and ``/recognized/matches``
    (ImageAnnotations), ``/pose`` (PoseInFrame), ``/scene`` (SceneUpdate), ``/numbers`` (JSON).

    Raises:
        ConfigError: If the file cannot be written.
    """
    import foxglove
    from foxglove import channels, messages

    context = foxglove.Context()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = foxglove.open_mcap(path, allow_overwrite=True, context=context)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{path} cannot be written ({error}): name another file with --foxglove") from error
    with writer:
        sides = "/camera", "/recognized"
        images = [channels.CompressedImageChannel(side, context=context) for side in sides]
        marks = [channels.ImageAnnotationsChannel(f"{side}/matches", context=context) for side in sides]
        pose = channels.PoseInFrameChannel("/pose", context=context)
        scene = channels.SceneUpdateChannel("/scene", context=context)
        numbers = foxglove.Channel("/numbers", schema=NUMBERS, context=context)
        before = None
        for moment in moments(judged, explored):
            at: dict[str, int] = {"log_time": moment.stamp_ns}
            stamp = messages.Timestamp(*divmod(moment.stamp_ns, 1_000_000_000))
            entities = []
            if moment.position is not None:
                # A segment at a time: what is not replaced stays.
                ends = before or moment.position, moment.position
                entities.append(_line(messages, stamp, f"path {moment.stamp_ns}", ends, (0.55, 0.55, 0.55)))
                x, y, z, w = moment.orientation or (0.0, 0.0, 0.0, 1.0)
                placed = messages.Pose(
                    position=messages.Vector3(**_axes(moment.position)),
                    orientation=messages.Quaternion(x=x, y=y, z=z, w=w),
                )
                pose.log(messages.PoseInFrame(timestamp=stamp, frame_id=FRAME, pose=placed), **at)
            before = moment.position
            closure = next((link for link in moment.links if link.row.fate is Fate.CLOSURE), None)
            pictures = moment.jpeg, None if closure is None else closure.jpeg
            for number, link in enumerate(moment.links):
                if link.here is not None and link.there is not None:
                    name = f"pair {moment.stamp_ns} {number}"
                    entities.append(_line(messages, stamp, name, (link.here, link.there), _color(link)))
            for side, (jpeg, image, mark) in enumerate(zip(pictures, images, marks, strict=True)):
                if jpeg is None:
                    continue
                image.log(messages.CompressedImage(timestamp=stamp, frame_id="camera", data=jpeg, format="jpeg"), **at)
                points = [] if closure is None else _points(messages, stamp, closure, side, jpeg)
                mark.log(messages.ImageAnnotations(points=points), **at)
            if entities:
                scene.log(messages.SceneUpdate(entities=entities), **at)
            told = {"latency_ms": moment.latency_ms}
            if moment.links:
                row = moment.links[0].row
                told |= {"similarity": row.similarity, "inliers": row.inliers}
                told |= {} if row.probability is None else {"probability": row.probability}
            numbers.log({name: value for name, value in told.items() if math.isfinite(value)}, **at)


def _axes(point: Point) -> dict[str, float]:
    return dict(zip("xyz", point, strict=True))


def _color(link: Link) -> Point:
    if link.row.fate is not Fate.CLOSURE:
        return 0.9, 0.62, 0.0
    return (0.84, 0.37, 0.0) if link.row.right is False else (0.0, 0.62, 0.45)


def _line(messages: Any, stamp: Any, name: str, ends: tuple[Point, Point], color: Point) -> Any:
    red, green, blue = color
    line = messages.LinePrimitive(
        type=messages.LinePrimitiveLineType.LineStrip,
        thickness=2.0,
        scale_invariant=True,
        points=[messages.Point3(**_axes(point)) for point in ends],
        color=messages.Color(r=red, g=green, b=blue, a=1.0),
    )
    return messages.SceneEntity(timestamp=stamp, frame_id=FRAME, id=name, lines=[line])


def _points(messages: Any, stamp: Any, link: Link, side: int, jpeg: bytes) -> list[Any]:
    """Features that agree, on one of the two pictures."""
    if link.found is None:
        return []
    places = pixels(link.found, side, *compressed_size(jpeg))
    return [
        messages.PointsAnnotation(
            timestamp=stamp,
            type=messages.PointsAnnotationType.Points,
            points=[messages.Point2(x=float(x), y=float(y)) for x, y in places],
            outline_color=messages.Color(r=0.0, g=0.62, b=0.45, a=1.0),
            thickness=4.0,
        )
    ]
