"""Loop detection, one frame at a time: the same in the node, over a bag, and in tests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import matching
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.consistency import QueryPosition, SequenceConsistency
from a2gc_ros.loops.drift import DriftGate
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.results import Detection, LoopClosure
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.placemap import PlaceMap, Session
from a2gc_ros.placemap.selection import KeyframeSelector, Odometer
from a2gc_ros.placemap.thumbnails import encode_jpeg, intrinsics_json


class LoopDetector:
    """Finds the places a robot has been at before, in the live session and in loaded maps together.

    A frame is matched against the maps, and only then, if it is far enough from the last keyframe, added to the live
    one. Candidates and closures come only with frames that become keyframes, so the rate of the camera makes no
    difference, and a robot that stands still does not confirm itself. Every gate uses the frames' stamps; the same
    frames always give the same detections.

    One thread at a time may call :meth:`process`.

    Args:
        config: The settings.
        live_map: Where the live session's keyframes go; it may hold earlier sessions.
        maps: Loaded maps; they are only searched.
        session_name: Name of the live session in its map.
        session_source: Where the frames come from.

    Raises:
        MapError: If a loaded map was made by another extractor than the live one.
    """

    def __init__(
        self,
        config: LoopConfig,
        live_map: PlaceMap,
        maps: Sequence[PlaceMap] = (),
        *,
        session_name: str = "live",
        session_source: str = "",
    ) -> None:
        self.config = config
        self._maps = [live_map]
        live_map.prepare()
        self._verifier = GeometricVerifier(config) if config.verify else None
        self.use_maps(maps)
        self.start_session(session_name, session_source)

    @property
    def maps(self) -> list[PlaceMap]:
        """The live map and the loaded ones, as ``Match.map_index`` counts them."""
        return list(self._maps)

    @property
    def session(self) -> Session:
        """The live session."""
        return self._session

    def use_maps(self, maps: Sequence[PlaceMap]) -> None:
        """Searches these loaded maps from now on; the live session goes on, its next matches build up support anew.

        Raises:
            MapError: If one was made by another extractor than the live map; nothing changes then.
        """
        live_map = self._maps[0]
        for place_map in maps:
            place_map.require(live_map.manifest.fingerprint, live_map.manifest.model_name)
        for place_map in maps:
            place_map.prepare()
        self._maps = [live_map, *maps]
        self._consistency = self._new_consistency()

    def start_session(self, name: str, source: str = "") -> Session:
        """Begins a new live session, as after a restart of the robot's clock or odometry."""
        self._session = self._maps[0].add_session(name, source)
        self._selector = KeyframeSelector(self.config.spacing)
        self._odometer = Odometer()
        self._drift = DriftGate(self.config.max_drift)
        self._steps = 0
        self._consistency = self._new_consistency()
        return self._session

    def process(self, frame: Frame, descriptor: npt.NDArray[np.float32]) -> Detection:
        """Works on the next frame of the live session.

        Args:
            frame: Image, stamp, and where known intrinsics and pose.
            descriptor: Of its image, float32 (D,), L2-normalised.

        Raises:
            MapError: If the descriptor does not fit the maps, or the live map cannot be written.
        """
        detection = Detection(frame.stamp_ns)
        with _timed(detection, "total"):
            travelled = self._odometer.update(frame.pose)
            with _timed(detection, "search"):
                located = self._search(frame, travelled, descriptor)
            detection.matches = [found.match for found in located]
            if self._selector.select(frame.stamp_ns, frame.pose, descriptor):
                with _timed(detection, "consistency"):
                    self._choose_candidates(detection, travelled, located)
                with _timed(detection, "verification"):
                    self._accept(detection, frame)
                with _timed(detection, "store"):
                    detection.keyframe_id = self._store(frame, descriptor, travelled)
        return detection

    def _new_consistency(self) -> SequenceConsistency:
        return SequenceConsistency(
            self.config.consistency_window,
            self.config.consistency_tolerance_m,
            self.config.consistency_max_gap_s,
        )

    def _search(self, frame: Frame, travelled: float | None, descriptor: npt.NDArray[np.float32]) -> list[LocatedMatch]:
        config, stamp_ns = self.config, frame.stamp_ns
        exclude = matching.recent(
            self._maps[0], self._session.id, stamp_ns, travelled, config.min_time_gap_s, config.min_travel_m
        )
        exclude = np.union1d(exclude, self._drift.ruled_out(frame.pose, travelled))
        located = matching.nearest(self._maps[0], 0, stamp_ns, descriptor, config.k, exclude)
        for index, place_map in enumerate(self._maps[1:], 1):
            located += matching.nearest(place_map, index, stamp_ns, descriptor, config.k)
        return matching.best_first(located)

    def _choose_candidates(
        self, detection: Detection, travelled: float | None, located: Sequence[LocatedMatch]
    ) -> None:
        above = [found for found in located if found.match.similarity >= self.config.threshold]
        way = float("nan") if travelled is None else travelled
        position = QueryPosition(self._steps, detection.stamp_ns, way)
        self._steps += 1
        supports = self._consistency.support(position, above)
        detection.candidates = [
            found.match
            for found, support in zip(above, supports, strict=True)
            if support >= self.config.consistency_hits
        ]

    def _accept(self, detection: Detection, frame: Frame) -> None:
        """Accepts at most one candidate per map: neighbours of one place say the same thing again."""
        view = None
        for index, place_map in enumerate(self._maps):
            candidates = [match for match in detection.candidates if match.map_index == index]
            if self._verifier is None:
                detection.closures += [LoopClosure(match) for match in candidates[:1]]
                continue
            for match in candidates[: self.config.max_verifications]:
                view = view or self._verifier.view_of_frame(frame)
                keyframe = self._verifier.view_of_keyframe(place_map, match.keyframe_id)
                verification = self._verifier.verify(view, keyframe)
                detection.verifications.append((match, verification))
                if verification.verified:
                    detection.closures.append(LoopClosure(match, verification))
                    break
        detection.closures.sort(key=lambda closure: -closure.match.similarity)

    def _store(self, frame: Frame, descriptor: npt.NDArray[np.float32], travelled: float | None) -> int:
        keyframe_id = self._maps[0].add(
            self._session.id,
            frame.stamp_ns,
            descriptor,
            pose=frame.pose,
            travelled=travelled,
            image_jpeg=encode_jpeg(frame.image) if self.config.store_images else None,
            intrinsics_json=intrinsics_json(frame.intrinsics),
            frame_id=frame.frame_id,
        )
        self._drift.add(keyframe_id, frame.pose, travelled)
        return keyframe_id


@contextlib.contextmanager
def _timed(detection: Detection, stage: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    detection.timings_ms[stage] = (time.perf_counter() - begin) * 1e3
