"""A map's keyframes described anew by another model, into a map of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import Frame
from a2gc_ros.placemap import schema
from a2gc_ros.placemap.builder import ExtractorLike
from a2gc_ros.placemap.descriptors import checked, encode
from a2gc_ros.placemap.opening import require_new, writing_to
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Keyframe, Model
from a2gc_ros.placemap.storing import INSERT_DESCRIPTOR
from a2gc_ros.placemap.thumbnails import decode_jpeg
from a2gc_ros.system.files import publish

Picture = tuple[int, npt.NDArray[np.uint8]]
"""A keyframe's id and its image, RGB uint8 (H, W, 3)."""

ORIGIN = "redescribed"
"""Key of the settings that says which map this one was."""


def redescribe(
    source: PlaceMap,
    out: str | Path,
    extractor: ExtractorLike,
    pictures: Callable[[list[Keyframe]], Iterable[Picture]],
    *,
    batch: int = 16,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Writes a map with everything that another holds, but the descriptors of another model.

    The source is only read. The map appears under its name only when it is complete; until then what is done lies in
    ``<name>.redescribing``, from where the same call goes on. How alike its places look is to be measured again.

    Args:
        source: The map.
        out: The map to write; must not exist.
        extractor: The other model.
        pictures: Gives the images of the keyframes it is asked for, in any order; those it lacks are left out.
        batch: Images described at once.
        on_progress: Called with how many keyframes are done and how many there are.

    Raises:
        MapError: If ``out`` exists, the model is the map's already, or a keyframe has no image.
    """
    target = Path(out)
    require_new(target)
    if extractor.spec.fingerprint == source.manifest.fingerprint:
        raise MapError(f"{source.path} is described by {extractor.spec.name} already: name another model")
    unfinished = target.with_name(target.name + ".redescribing")
    keyframes = source.keyframes()
    with _begun(source, unfinished, extractor.spec) as redescribed:
        missing = _without_descriptor(redescribed, keyframes)
        done = len(keyframes) - len(missing)
        on_progress(done, len(keyframes))
        found = iter(pictures(missing))
        while some := list(islice(found, batch)):
            _store(redescribed, some, extractor)
            done += len(some)
            on_progress(done, len(keyframes))
        missing = _without_descriptor(redescribed, keyframes)
    if missing:
        raise MapError(
            f"{source.path} has {len(missing)} keyframes without a usable image, keyframe {missing[0].id} of session "
            f"{missing[0].session_id} for one: give the recordings they come from"
        )
    with writing_to(target):
        publish(unfinished, target)


def stored_pictures(source: PlaceMap, keyframes: Iterable[Keyframe]) -> Iterator[Picture]:
    """Yields the images that a map keeps of these keyframes; those it lacks or cannot decode are left out."""
    for keyframe in keyframes:
        jpeg = source.image(keyframe.id)
        if jpeg is not None and (image := decode_jpeg(jpeg)) is not None:
            yield keyframe.id, image


def recorded_pictures(frames: Iterable[Frame], keyframes: Iterable[Keyframe]) -> Iterator[Picture]:
    """Yields the images of these keyframes as they were recorded, told by their stamps."""
    of_stamp: dict[int, list[int]] = {}
    for keyframe in keyframes:
        of_stamp.setdefault(keyframe.stamp_ns, []).append(keyframe.id)
    for frame in frames:
        for keyframe_id in of_stamp.pop(frame.stamp_ns, ()):
            yield keyframe_id, frame.image
        if not of_stamp:
            return


def _begun(source: PlaceMap, unfinished: Path, model: Model) -> PlaceMap:
    """Opens the unfinished map of an earlier call, or a copy of the source without descriptors."""
    origin = {"map": source.manifest.uuid, "keyframes": len(source)}
    if unfinished.exists():
        before = PlaceMap.open(unfinished)
        if before.manifest.fingerprint == model.fingerprint and before.manifest.settings.get(ORIGIN) == origin:
            return before
        before.close()
    source.save_copy(unfinished)
    manifest = replace(
        source.manifest,
        fingerprint=model.fingerprint,
        descriptor_dim=model.descriptor_dim,
        model_name=model.name,
        uuid="",
        created_ns=0,
        settings={**source.manifest.settings, ORIGIN: origin},
    )
    with PlaceMap.open(unfinished) as copy, copy.transaction() as connection:
        schema.write_manifest(connection, manifest)
        connection.execute("DELETE FROM descriptors")
        connection.execute("DROP TABLE IF EXISTS impostors")
        # A session that another model described is another one, the same wherever that is done.
        for session in source.sessions():
            identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{session.uuid}/{model.fingerprint}")
            connection.execute("UPDATE sessions SET uuid = ? WHERE id = ?", (str(identity), session.id))
    return PlaceMap.open(unfinished)


def _without_descriptor(redescribed: PlaceMap, keyframes: list[Keyframe]) -> list[Keyframe]:
    with redescribed.reading() as connection:
        described = {row[0] for row in connection.execute("SELECT keyframe_id FROM descriptors")}
    return [keyframe for keyframe in keyframes if keyframe.id not in described]


def _store(redescribed: PlaceMap, pictures: list[Picture], extractor: ExtractorLike) -> None:
    descriptors = checked(extractor.extract([image for _, image in pictures]), redescribed.manifest.descriptor_dim)
    with redescribed.transaction() as connection:
        for (keyframe_id, _), descriptor in zip(pictures, descriptors, strict=True):
            connection.execute(INSERT_DESCRIPTOR, (keyframe_id, *encode(descriptor)))
