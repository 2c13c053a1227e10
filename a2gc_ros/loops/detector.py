"""Loop detection, one frame at a time: the same in the node, over a bag, and in tests."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import matching
from a2gc_ros.loops.agreement import Agreement, PlacedClosure
from a2gc_ros.loops.calibration import Calibration, ImpostorWatch
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.continuity import Continuity, usable_pose
from a2gc_ros.loops.drift import DriftGate
from a2gc_ros.loops.evidence import geometric_odds
from a2gc_ros.loops.matching import LocatedMatch
from a2gc_ros.loops.place_filter import PlaceFilter, Step
from a2gc_ros.loops.results import Detection, LoopClosure
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.placemap import PlaceMap, Session
from a2gc_ros.placemap.selection import KeyframeSelector, Odometer
from a2gc_ros.placemap.thumbnails import encode_jpeg, intrinsics_json

Ids = npt.NDArray[np.int64]

LIKELY: Final = 0.01
"""Probability from which the geometry of a candidate is looked at."""


class LoopDetector:
    """Finds the places a robot has been at before, in the live session and in loaded maps together.

    A frame is matched against the maps, and only then, if it is far enough from the last keyframe, added to the live
    one. Candidates and closures come only with frames that become keyframes, so the rate of the camera makes no
    difference, and a robot that stands still does not confirm itself. Every gate uses the frames' stamps; the same
    frames always give the same detections.

    Where stamps step back or odometry jumps, a new session begins: what lies before is another session's.

    One thread at a time may call :meth:`process`.

    Args:
        config: The settings.
        live_map: Where the live session's keyframes go; it may hold earlier sessions.
        maps: Loaded maps; they are only searched.
        session_name: Name of the live session in its map.
        session_source: Where the frames come from.
        verifier: Makes the geometric checks; one of its own where none is given.

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
        verifier: GeometricVerifier | None = None,
    ) -> None:
        self.config = config
        self._maps = [live_map]
        live_map.prepare()
        self._calibrations = [Calibration(live_map)]
        self._verifier = verifier or GeometricVerifier(config) if config.verify else None
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

    @property
    def calibrations(self) -> list[Calibration]:
        """What is known of each map's impostors, as ``Match.map_index`` counts them."""
        return list(self._calibrations)

    def use_maps(self, maps: Sequence[PlaceMap]) -> None:
        """Searches these loaded maps from now on; the live session goes on, its next matches build up evidence anew.

        A map that was never calibrated is, without writing to it.

        Raises:
            MapError: If one was made by another extractor than the live map; nothing changes then.
        """
        live_map = self._maps[0]
        for place_map in maps:
            place_map.require(live_map.manifest.fingerprint, live_map.manifest.model_name)
        for place_map in maps:
            place_map.prepare()
        self._calibrations = [self._calibrations[0], *(Calibration.of_stored(place_map) for place_map in maps)]
        self._maps = [live_map, *maps]
        self._filter = PlaceFilter()

    def start_session(self, name: str, source: str = "") -> Session:
        """Begins a new live session, as after a restart of the robot's clock or odometry."""
        self._session = self._maps[0].add_session(name, source)
        self._selector = KeyframeSelector(self.config.spacing)
        self._odometer = Odometer()
        self._drift = DriftGate(self.config.max_drift)
        self._continuity = Continuity()
        self._steps = 0
        self._filter = PlaceFilter()
        self._agreement = Agreement(self.config.min_agreeing, self.config.hold_keyframes, self.config.max_drift)
        self._watch = ImpostorWatch(self._maps[0])
        return self._session

    def look_at(self, frame: Frame) -> View | None:
        """Finds the local features of a frame, for :meth:`process`; None where nothing is verified.

        Another thread may do this while frames before it are processed.
        """
        return None if self._verifier is None else self._verifier.view_of_frame(frame)

    def process(self, frame: Frame, descriptor: npt.NDArray[np.float32], view: View | None = None) -> Detection:
        """Works on the next frame of the live session.

        Args:
            frame: Image, stamp, and where known intrinsics and pose.
            descriptor: Of its image, float32 (D,), L2-normalised.
            view: Its local features, where :meth:`look_at` found them already.

        Raises:
            MapError: If the descriptor does not fit the maps, or the live map cannot be written.
        """
        if frame.pose is not None and not usable_pose(frame):
            frame = dataclasses.replace(frame, pose=None)
        if self._continuity.broken_by(frame):
            self.start_session(self._session.name, self._session.source)
            self._continuity.broken_by(frame)
        detection = Detection(frame.stamp_ns)
        with _timed(detection, "total"):
            travelled = self._odometer.update(frame.pose)
            with _timed(detection, "search"):
                excluded, impostors = self._excluded(frame, travelled)
                located = self._search(frame, descriptor, excluded)
            detection.matches = [found.match for found in located]
            if self._selector.select(frame.stamp_ns, frame.pose, descriptor):
                with _timed(detection, "calibration"):
                    impostor = self._watch.observe(descriptor, self._impostors(travelled, excluded, impostors))
                with _timed(detection, "filter"):
                    likely = self._likely(detection.stamp_ns, travelled, located, len(excluded))
                    detection.candidates = [located[at].match for at in likely]
                with _timed(detection, "features"):
                    view = view or self.look_at(frame)
                with _timed(detection, "verification"):
                    accepted = self._verify(detection, view, located, likely)
                with _timed(detection, "store"):
                    detection.keyframe_id = self._store(frame, descriptor, travelled, view)
                    self._calibrations[0].add(detection.keyframe_id, impostor)
                with _timed(detection, "agreement"):
                    placed = [self._placed(closure, frame, travelled, detection.keyframe_id) for closure in accepted]
                    detection.closures = self._agreement.release(self._steps, placed)
                self._steps += 1
        return detection

    def _excluded(self, frame: Frame, travelled: float | None) -> tuple[Ids, Ids]:
        """Returns the live keyframes that are never matched, and those of them where odometry says the robot is not."""
        config = self.config
        recent = matching.recent(
            self._maps[0], self._session.id, frame.stamp_ns, travelled, config.min_time_gap_s, config.min_travel_m
        )
        ruled_out = self._drift.ruled_out(frame.pose, travelled)
        return np.union1d(recent, ruled_out), ruled_out

    def _search(self, frame: Frame, descriptor: npt.NDArray[np.float32], excluded: Ids) -> list[LocatedMatch]:
        located = matching.nearest(self._maps[0], 0, frame.stamp_ns, descriptor, self.config.k, excluded)
        for index, place_map in enumerate(self._maps[1:], 1):
            located += matching.nearest(place_map, index, frame.stamp_ns, descriptor, self.config.k)
        return matching.best_first(located)

    def _impostors(self, travelled: float | None, excluded: Ids, ruled_out: Ids) -> Ids:
        """Returns the live session's keyframes that cannot, or without odometry do not, show what the query shows."""
        if travelled is not None and self.config.max_drift < 1:
            return ruled_out
        believed = [found for found in self._filter.believed() if found.match.map_index == 0]
        return matching.elsewhere(self._maps[0], self._session.id, excluded, believed)

    def _likely(
        self, stamp_ns: int, travelled: float | None, located: Sequence[LocatedMatch], excluded: int
    ) -> list[int]:
        """Returns the numbers of the matches that are worth a look at the geometry, likeliest first."""
        way = float("nan") if travelled is None else travelled
        searched = [len(place_map.columns) for place_map in self._maps]
        searched[0] -= excluded
        tails = [calibration.tail_for(count) for calibration, count in zip(self._calibrations, searched, strict=True)]
        probabilities = self._filter.update(Step(stamp_ns, way, searched), located, tails)
        likely = [
            at
            for at, found in enumerate(located)
            if probabilities[at] >= LIKELY and found.match.similarity >= self.config.threshold
        ]
        # Stable: matches of one place stay in the order of their similarity.
        return sorted(likely, key=lambda at: -probabilities[at])

    def _verify(
        self, detection: Detection, view: View | None, located: Sequence[LocatedMatch], likely: Sequence[int]
    ) -> list[LoopClosure]:
        """Accepts at most one candidate per map: neighbours of one place say the same thing again."""
        accepted = []
        for index, place_map in enumerate(self._maps):
            here = [at for at in likely if located[at].match.map_index == index]
            for at in here[: self.config.max_verifications]:
                match, verification = located[at].match, None
                if self._verifier is not None and view is not None:
                    keyframe = self._verifier.view_of_keyframe(place_map, match.keyframe_id)
                    verification = self._verifier.verify(view, keyframe)
                    detection.verifications.append((match, verification))
                    self._filter.weigh(at, geometric_odds(verification))
                    if not verification.verified:
                        continue
                probability = self._filter.probability(at)
                if 1 - probability <= self.config.max_false_positive_rate:
                    accepted.append(LoopClosure(match, verification, probability))
                break
        return sorted(accepted, key=lambda closure: -(closure.probability or 0.0))

    def _placed(self, closure: LoopClosure, frame: Frame, travelled: float | None, keyframe_id: int) -> PlacedClosure:
        match = closure.match
        keyframe = self._maps[match.map_index].keyframe(match.keyframe_id)
        return PlacedClosure(
            dataclasses.replace(closure, query_keyframe_id=keyframe_id),
            self._steps,
            frame.pose,
            travelled,
            keyframe.pose,
            keyframe.travelled,
            frame.t_base_camera,
        )

    def _store(
        self, frame: Frame, descriptor: npt.NDArray[np.float32], travelled: float | None, view: View | None
    ) -> int:
        keyframe_id = self._maps[0].add(
            self._session.id,
            frame.stamp_ns,
            descriptor,
            pose=frame.pose,
            travelled=travelled,
            image_jpeg=encode_jpeg(frame.image) if self.config.store_images else None,
            intrinsics_json=intrinsics_json(frame.intrinsics),
            frame_id=frame.frame_id,
            t_base_camera=frame.t_base_camera,
            features=None if self._verifier is None or view is None else self._verifier.encoded(view),
        )
        self._drift.add(keyframe_id, frame.pose, travelled)
        return keyframe_id


@contextlib.contextmanager
def _timed(detection: Detection, stage: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    detection.timings_ms[stage] = (time.perf_counter() - begin) * 1e3
