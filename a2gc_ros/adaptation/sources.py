"""Images of a site: of a recording, a folder or a place map, each with what is known of when and where it was taken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.adaptation.judging import Shot
from a2gc_ros.bags import open_recording
from a2gc_ros.bags.formats import is_recording
from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.images.decode import image_files, read_image
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.schema import APPLICATION_ID
from a2gc_ros.placemap.thumbnails import decode_jpeg

LEAST_STEP_S = 0.2
"""Seconds between two images of a recording that are looked at: a camera gives more than it sees new."""

Item = TypeVar("Item")

SiteImage = tuple[NDArray[np.uint8], Shot]


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes:
        limit: Images at most, evenly spread.
        topic: Image topic of a recording; None takes the only one.
        pose_topic: Topic of its poses; None takes the best there is, empty takes none.
        size: (height, width) beyond which pixels are of no use, or None.
    """

    limit: int
    topic: str | None = None
    pose_topic: str | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Source:
    """What a path holds.

    Attributes:
        kind: recording, folder or map.
        count: How many images :attr:`images` gives at most.
        images: Yields RGB images, uint8 (H, W, 3), run by run in the order of time; what cannot be decoded is left out.
    """

    kind: str
    count: int
    images: Callable[[], Iterator[SiteImage]]


def open_source(path: Path, reading: Reading) -> Source:
    """Finds out what a path holds.

    Raises:
        ConfigError: It holds no images.
        BagError: It is a recording that cannot be read, or without the topic.
        MapError: It is a place map that cannot be read.
    """
    if path.is_file() and _is_place_map(path):
        with PlaceMap.open(path, read_only=True) as place_map:
            return Source("map", min(len(place_map), reading.limit), lambda: _kept(path, reading))
    if path.exists() and is_recording(path):
        with open_recording(path) as recording:
            count = min(recording.image_topic(reading.topic).count, reading.limit + 1)
            most = int(recording.duration / LEAST_STEP_S) + 1
            return Source("recording", min(count, most), lambda: _recorded(path, reading))
    files = image_files(path)
    if not files:
        raise ConfigError(f"{path} is neither a recording, nor a place map, nor a folder of JPEG or PNG files.")
    chosen = _spread(files, reading.limit)
    return Source("folder", len(chosen), lambda: _filed(chosen, reading))


def _recorded(path: Path, reading: Reading) -> Iterator[SiteImage]:
    with open_recording(path) as recording:
        step_ns = round(max(LEAST_STEP_S, recording.duration / reading.limit) * 1e9)
        due_ns = None
        for frame in recording.frames(reading.topic, reading.pose_topic, info_topic="", max_size=reading.size):
            due_ns = frame.stamp_ns if due_ns is None else due_ns
            if frame.stamp_ns >= due_ns:
                # Due times stand on a grid, so that a camera of any rate gives the images it should.
                due_ns += step_ns * (1 + (frame.stamp_ns - due_ns) // step_ns)
                yield frame.image, Shot(0, frame.stamp_ns, frame.pose)


def _kept(path: Path, reading: Reading) -> Iterator[SiteImage]:
    with PlaceMap.open(path, read_only=True) as place_map:
        keyframes = _spread(place_map.keyframes(), reading.limit)
        for keyframe in sorted(keyframes, key=lambda k: (k.session_id, k.stamp_ns)):
            jpeg = place_map.image(keyframe.id)
            image = None if jpeg is None else decode_jpeg(jpeg)
            if image is not None:
                yield image, Shot(keyframe.session_id, keyframe.stamp_ns, keyframe.pose)


def _filed(paths: Sequence[Path], reading: Reading) -> Iterator[SiteImage]:
    for path in paths:
        with contextlib.suppress(ImageError):
            yield read_image(path, max_size=reading.size), Shot(0, None, None)


def _is_place_map(path: Path) -> bool:
    """Whether SQLite's header names our format; recordings may be SQLite files too."""
    with path.open("rb") as file:
        return file.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")


def _spread(items: list[Item], limit: int) -> list[Item]:
    """At most so many of the items, evenly spread."""
    if len(items) <= limit:
        return items
    return [items[round(at)] for at in np.linspace(0, len(items) - 1, limit)]
