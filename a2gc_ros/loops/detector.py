"""Loop detection, one frame at a time: the same in the node, over a bag, and in tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import drift, matching
from a2gc_ros.loops.by_geometry import ByGeometry
from a2gc_ros.loops.by_similarity import BySimilarity
from a2gc_ros.loops.calibration import Calibration
from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.continuity import Continuity, usable_pose
from a2gc_ros.loops.evidence import EvidenceModel, shipped
from a2gc_ros.loops.matching import Ids
from a2gc_ros.loops.query import Query
from a2gc_ros.loops.results import ComparedPair, Detection
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.placemap import PlaceMap, Session
from a2gc_ros.placemap.selection import KeyframeSelector, Odometer
from a2gc_ros.placemap.thumbnails import encode_jpeg, intrinsics_json


class LoopDetector:
    """Finds the places a robot has been at before, in the live session and in loaded maps together.

    A frame is matched against the maps, and only then, if it is far enough from the last keyframe, added to the live
    one. Closures come only with frames that become keyframes, so the rate of the camera makes no difference, and a
    robot that stands still does not confirm itself. Every gate uses the frames' stamps; the same frames always give the
    same detections.

    Where stamps step back or odometry jumps, a new session begins: what lies before is another session's.

    One thread at a time may call :meth:`process`.

    Args:
        live_map: Where the live session's keyframes go; it may hold earlier sessions.
        maps: Loaded maps; they are only searched.
        session_name: Name of the live session in its map.
        session_source: Where the frames come from.
        verifier: Makes the geometric checks; one of its own where none is given.
        model: What makes a run of verified pairs likely; the one that ships with the extractor where none is given.
        threads: How many candidates are compared beside one another, where no verifier is given; results are the same.

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
        model: EvidenceModel | None = None,
        threads: int = 1,
    ) -> None:
        self.config = config
        self._maps = [live_map]
        live_map.prepare()
        self._calibrations = [Calibration(live_map)]
        self._verifier = verifier or GeometricVerifier(config, threads=threads) if config.verify else None
        self._model = model or shipped(live_map.manifest.fingerprint)
        self._join(maps)
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
        """Searches these loaded maps from now on; the live session goes on, its next matches build up evidence anew.

        Without geometric check a map that was never calibrated is, without writing to it.

        Raises:
            MapError: If one was made by another extractor than the live map; nothing changes then.
        """
        self._join(maps)
        self._judge = self._new_judge()

    def _join(self, maps: Sequence[PlaceMap]) -> None:
        live_map = self._maps[0]
        for place_map in maps:
            place_map.require(live_map.manifest.fingerprint, live_map.manifest.model_name)
        for place_map in maps:
            place_map.prepare()
        measured = maps if self._verifier is None else ()
        self._calibrations = [self._calibrations[0], *(Calibration.of_stored(place_map) for place_map in measured)]
        self._maps = [live_map, *maps]

    def start_session(self, name: str, source: str = "") -> Session:
        """Begins a new live session, as after a restart of the robot's clock or odometry."""
        self._session = self._maps[0].add_session(name, source)
        self._selector = KeyframeSelector(self.config.spacing)
        self._odometer = Odometer()
        self._continuity = Continuity()
        self._steps = 0
        self._judge = self._new_judge()
        return self._session

    def look_at(self, frame: Frame) -> View | None:
        """Finds the local features of a frame, for :meth:`process`; None where nothing is verified.

        Another thread may do this while frames before it are processed.
        """
        return None if self._verifier is None else self._verifier.view_of_frame(frame)

    def _new_judge(self) -> ByGeometry | BySimilarity:
        if self._verifier is not None:
            return ByGeometry(self.config, self._maps, self._verifier, self._model)
        return BySimilarity(self.config, self._maps, self._session.id, self._calibrations)

    def waiting(self, stamp_ns: int) -> list[ComparedPair]:
        """Returns the verified pairs of the last keyframes that still wait when a frame with this stamp is over."""
        return self._judge.waiting(stamp_ns)

    def process(self, frame: Frame, descriptor: npt.NDArray[np.float32], view: View | None = None) -> Detection:
        """Works on the next frame of the live session.

        Args:
            frame: Image, stamp, and where known intrinsics and pose.
            descriptor: Of its image, float32 (D,), L2-normalized.
            view: Its local features, where :meth:`look_at` found them already.

        Raises:
            MapError: If the descriptor does not fit the maps, or the live map cannot be written.
        """
        if frame.pose is not None and not usable_pose(frame):
            frame = dataclasses.replace(frame, pose=None)
        detection = Detection(frame.stamp_ns)
        if self._continuity.broken_by(frame):
            detection.decided = self.waiting(frame.stamp_ns)
            self.start_session(self._session.name, self._session.source)
            self._continuity.broken_by(frame)
        with detection.timed("total"):
            path_length = self._odometer.update(frame.pose)
            with detection.timed("search"):
                excluded, ruled_out = self._excluded(frame, path_length)
                located = matching.nearest_in_each(self._maps, frame.stamp_ns, descriptor, self.config.k, excluded)
            detection.matches = [found.match for found in located]
            if self._selector.select(frame.stamp_ns, frame.pose, descriptor):
                with detection.timed("features"):
                    view = view or self.look_at(frame)
                query = Query(frame, descriptor, view, self._steps, path_length, located, {0: excluded}, ruled_out)
                self._judge.look(query, detection)
                with detection.timed("store"):
                    detection.keyframe_id = keyframe_id = self._store(frame, query)
                self._judge.decide(query, keyframe_id, detection)
                self._steps += 1
        return detection

    def _excluded(self, frame: Frame, path_length: float | None) -> tuple[Ids, Ids]:
        """Returns the live keyframes that are never matched, and those of them where odometry says the robot is not."""
        live_map, session_id = self._maps[0], self._session.id
        recent = matching.recent(live_map, session_id, frame.stamp_ns, path_length, self.config)
        ruled_out = drift.ruled_out(live_map.columns, session_id, frame.pose, path_length, self.config.max_drift)
        return np.union1d(recent, ruled_out), ruled_out

    def _store(self, frame: Frame, query: Query) -> int:
        return self._maps[0].add(
            self._session.id,
            frame.stamp_ns,
            query.descriptor,
            pose=frame.pose,
            path_length=query.path_length,
            image_jpeg=encode_jpeg(frame.image) if self.config.store_images else None,
            intrinsics_json=intrinsics_json(frame.intrinsics),
            frame_id=frame.frame_id,
            t_base_camera=frame.t_base_camera,
            features=None if self._verifier is None or query.view is None else self._verifier.encoded(query.view),
        )
