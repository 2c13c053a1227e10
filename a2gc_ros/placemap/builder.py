"""Fills a map from a recording: batched, reading ahead while the model works, and resumable at any moment.

What has been read is noted in the same transaction as the keyframes that came of it. Whatever ends a build (Ctrl-C,
``kill -9``, a power cut), the same call goes on after the last batch that was stored and ends with the same map: the
choice of keyframes and the make-up of batches depend only on the frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import MapError
from a2gc_ros.images.frame import Frame
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.reading import Batch, BatchReader, BuildPlan, ReadFrame
from a2gc_ros.placemap.records import Model, NewKeyframe, Session
from a2gc_ros.placemap.selection import ChangeGate
from a2gc_ros.placemap.shards import session_uuid
from a2gc_ros.placemap.storing import insert_keyframes, insert_session
from a2gc_ros.placemap.thumbnails import intrinsics_json


class ExtractorLike(Protocol):
    """Images in, descriptors out; :class:`a2gc_ros.extract.Extractor` is one."""

    @property
    def spec(self) -> Model:
        """What it is."""

    def extract(self, images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Describes RGB images, uint8 (H, W, 3) each, as float32 (N, D), L2-normalized."""


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is; everything counted here is on the disk.

    Attributes:
        frames: Frames of this source that were read, over all runs.
        keyframes: Keyframes that were kept of them.
        stamp_ns: Stamp of the last frame of the last batch.
    """

    frames: int
    keyframes: int
    stamp_ns: int


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Attributes:
        session: The session that holds the keyframes.
        frames: Frames read, over all runs.
        keyframes: Keyframes kept, over all runs.
        resumed_from: Frames that earlier runs had dealt with.
    """

    session: Session
    frames: int
    keyframes: int
    resumed_from: int


@dataclass
class _Position:
    session: Session
    frames: int
    finished: bool
    reader_state: dict[str, Any] | None


class MapBuilder:
    """Adds recordings to a map, each as a session, described by the extractor that the map was made for.

    Raises:
        MapError: If the map belongs to another extractor.
    """

    def __init__(self, place_map: PlaceMap, extractor: ExtractorLike, plan: BuildPlan) -> None:
        place_map.require(extractor.spec.fingerprint)
        self._map = place_map
        self._extractor = extractor
        self._plan = plan
        self._whole = {"spacing": asdict(plan.spacing), "batch": plan.batch}
        shard = plan.shard
        self._settings = self._whole if shard is None else {**self._whole, "shard": [shard.number, shard.count]}

    def build(
        self,
        source: str,
        frames: Iterable[Frame],
        *,
        session_name: str,
        on_progress: Callable[[BuildProgress], None] | None = None,
    ) -> BuildResult:
        """Adds the frames of one source, or what is missing of them.

        Args:
            source: Identity of the source and of how it is read; a source the map has already is gone on with.
            frames: All frames of the source, in order, the same in every run.
            session_name: Name of the session, if it is new.
            on_progress: Called after each batch was stored.

        Raises:
            MapError: If the source was begun with other settings, or the map cannot be written.
        """
        position = self._resume(source, session_name)
        kept = self._map.count(position.session.id)
        if position.finished:
            return BuildResult(position.session, position.frames, kept, position.frames)
        change = ChangeGate(self._plan.spacing.similarity, self._last_descriptor(position.session.id))
        read = position.frames
        with BatchReader(frames, self._plan, position.frames, position.reader_state) as batches:
            for batch in batches:
                kept += self._store(batch, change, source, position.session.id)
                read = batch.frames
                if on_progress is not None:
                    on_progress(BuildProgress(read, kept, batch.stamp_ns))
        return BuildResult(position.session, read, kept, position.frames)

    def _store(self, batch: Batch, change: ChangeGate, source: str, session_id: int) -> int:
        """Describes a batch and stores its keyframes together with the place in the source."""
        keyframes: list[NewKeyframe] = []
        if batch.items:
            descriptors = self._extractor.extract([item.frame.image for item in batch.items])
            if len(descriptors) != len(batch.items):
                raise MapError(f"the extractor gave {len(descriptors)} descriptors for {len(batch.items)} images")
            keyframes = [
                self._keyframe(item, descriptor)
                for item, descriptor in zip(batch.items, descriptors, strict=True)
                if change.keep(item.proposal, descriptor)
            ]
        state = json.dumps({"settings": self._settings, "reader": batch.state}, sort_keys=True)
        with self._map.transaction() as connection:
            insert_keyframes(connection, session_id, keyframes, self._map.manifest.descriptor_dim)
            connection.execute(
                "UPDATE progress SET frames = ?, finished = ?, state = ? WHERE source = ?",
                (batch.frames, int(batch.is_last), state, source),
            )
        return len(keyframes)

    def _resume(self, source: str, session_name: str) -> _Position:
        with self._map.transaction() as connection:
            row = connection.execute(
                "SELECT session_id, frames, finished, state FROM progress WHERE source = ?", (source,)
            ).fetchone()
            if row is None:
                identity = "" if self._plan.shard is None else session_uuid(source, self._whole)
                session = insert_session(connection, session_name, source, identity)
                state = json.dumps({"settings": self._settings, "reader": None}, sort_keys=True)
                connection.execute("INSERT INTO progress VALUES (?, ?, 0, 0, ?)", (source, session.id, state))
                return _Position(session, 0, False, None)
        session_id, frames, finished, text = row
        try:
            session = next(session for session in self._map.sessions() if session.id == session_id)
            stored = json.loads(text)
            if not isinstance(frames, int) or frames < 0 or not {"settings", "reader"} <= set(stored):
                raise ValueError(f"{frames} frames read")
        except (StopIteration, ValueError, TypeError, RecursionError) as error:
            raise MapError(
                f"{self._map.path} is damaged (how far it was built: {error!r}): restore it from a copy, or build it "
                "again"
            ) from error
        if stored["settings"] != json.loads(json.dumps(self._settings)):
            raise MapError(
                f"{self._map.path} has {session.name} already, built with other keyframe settings "
                f"({json.dumps(stored['settings'])}): use the same ones, or another map"
            )
        return _Position(session, frames, bool(finished), stored["reader"])

    def _last_descriptor(self, session_id: int) -> npt.NDArray[np.float32] | None:
        last = self._map.last_of(session_id)
        return None if last is None else self._map.descriptors([last])[0]

    def _keyframe(self, item: ReadFrame, descriptor: npt.NDArray[np.float32]) -> NewKeyframe:
        frame = item.frame
        return NewKeyframe(
            stamp_ns=frame.stamp_ns,
            descriptor=descriptor,
            pose=frame.pose,
            path_length=item.path_length,
            image_jpeg=item.jpeg or self._plan.encode(frame.image),
            intrinsics_json=intrinsics_json(frame.intrinsics),
            frame_id=frame.frame_id,
            t_base_camera=frame.t_base_camera,
            features=item.features or self._plan.features_of(frame),
        )
