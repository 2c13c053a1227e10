"""Everything between an image and a detection, without ROS: extractor, maps and loop detector."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np

from a2gc_ros.errors import BackendError, ConfigError, ImageError
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.images.ahead import cores
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import matching
from a2gc_ros.loops.detector import LoopDetector
from a2gc_ros.loops.preparation import Preparation, Prepared
from a2gc_ros.loops.results import Detection, LoopClosure
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS
from a2gc_ros.nodes.health.diagnostics import Engine
from a2gc_ros.nodes.parameters import NodeSettings
from a2gc_ros.nodes.recognition.maps import IN_MEMORY, Maps
from a2gc_ros.placemap.index import gpu_problem
from a2gc_ros.placemap.live_index import IndexOptions

SOURCE = "live"
MOST_CANDIDATES = 1000
"""Keyframes that one request may ask for; room for all of them is made before any is found."""


class Recognizer:
    """Recognizes places in frames.

    Frames come from one thread; maps may be saved and loaded from others meanwhile.

    Attributes:
        extractor: Describes images.
        maps: What is searched, and grows.
        newest_frame: The newest frame that was worked on; None before there is one.

    Raises:
        A2gcError: If the model or a map cannot be opened, or do not fit each other.
    """

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self.newest_frame: Frame | None = None
        problem = gpu_problem() if settings.search == "gpu" else None
        if problem is not None and not settings.fallback:
            raise ConfigError(problem)
        self._search = settings.search if problem is None else f"cpu ({problem})"
        self.extractor: Extractor = open_extractor(
            settings.model,
            backend=settings.backend,
            precision=settings.precision,  # type: ignore[arg-type]
            threads=settings.threads,
            engine=settings.engine,
            fallback=settings.fallback,
        )
        self.maps = Maps(settings, self.extractor.spec, IndexOptions(gpu=self._search == "gpu"))
        try:
            live, *loaded = self.maps.all()
            self._detector = LoopDetector(
                settings.loop,
                live,
                loaded,
                session_name=self._session_name(),
                session_source=SOURCE,
                threads=cores(settings.threads),
            )
            self._preparation = Preparation(self._detector, self.extractor.extract_one)
            self.extractor.extract_one(np.zeros((32, 32, 3), np.uint8))
        except BaseException:
            self.maps.close()
            raise
        self.maps.use = self._detector.use_maps

    def prepare(self, frame: Frame) -> Prepared:
        """Does what the frame alone needs, beside the work on the frames before it; one thread at a time.

        Raises:
            ImageError: If the image cannot be prepared for the model.
            BackendError: If the runtime failed.
        """
        return self._preparation(frame)

    def process(self, prepared: Prepared) -> Detection:
        """Recognizes the place in a frame, and keeps the frame where the live map needs it.

        Raises:
            MapError: If the live map cannot be written.
        """
        frame, before = prepared.frame, self.newest_frame
        with self.maps.lock:
            if before is not None and frame.stamp_ns < before.stamp_ns - JUMP_BACK_NS:
                self.start_session()
            detection = self._detector.process(frame, prepared.descriptor, prepared.view)
            self.newest_frame = frame
        for stage, spent_ms in prepared.timings_ms.items():
            detection.timings_ms[stage] = detection.timings_ms.get(stage, 0.0) + spent_ms
        return detection

    def start_session(self) -> None:
        """Begins a new session in the live map: what comes does not go together with what was kept."""
        with self.maps.lock:
            self._detector.start_session(self._session_name(), SOURCE)
            self._preparation.restart()

    def relocalize(self, frame: Frame | None, most: int) -> tuple[Frame, list[LoopClosure]]:
        """Compares one frame with the loaded maps, or with the live one where none is loaded, and keeps nothing.

        Args:
            frame: The frame, whose stamp does not matter; None for the newest one.
            most: How many keyframes are wanted; 0 for as many as the parameter `loop.k`.

        Returns:
            The frame, and the most similar keyframes, best first. The geometric check was made for the first few.

        Raises:
            ImageError: If there is no newest frame, or the image cannot be prepared for the model.
        """
        frame = frame or self.newest_frame
        if frame is None:
            raise ImageError("no camera image has been worked on yet: activate the node, or put one into the request")
        config = self._settings.loop
        wanted = min(most or config.k, MOST_CANDIDATES)
        descriptor = self.extractor.extract_one(frame.image)
        with self.maps.lock:
            live, *loaded = maps = self.maps.all()
            located = [
                found
                for index, place_map in list(enumerate(loaded, 1)) or [(0, live)]
                for found in matching.nearest(place_map, index, frame.stamp_ns, descriptor, wanted)
            ]
            closures = [LoopClosure(found.match) for found in matching.best_first(located)[:wanted]]
            if config.verify:
                verifier = GeometricVerifier(config)
                view = verifier.view_of_frame(frame)
                for position, closure in enumerate(closures[: config.max_verifications]):
                    match = closure.match
                    keyframe = verifier.view_of_keyframe(maps[match.map_index], match.keyframe_id)
                    closures[position] = replace(closure, verification=verifier.verify(view, keyframe))
        return frame, closures

    def engine(self) -> Engine:
        """Returns what the recognizer works with, for the diagnostics."""
        spec = self.extractor.spec
        with self.maps.lock:
            live, *loaded = (
                f"{'in memory' if opened.path == IN_MEMORY else opened.path}, {len(opened)} keyframes"
                for opened in self.maps.all()
            )
        return Engine(
            model=f"{spec.name} ({spec.fingerprint[:12]})",
            backend=f"{self.extractor.backend} {self.extractor.precision}",
            gpu_memory_mb=self._gpu_memory_mb(),
            search=self._search,
            live_map=live,
            maps=dict(enumerate(loaded, 1)),
        )

    def _gpu_memory_mb(self) -> tuple[float, float] | None:
        try:
            return self.extractor.gpu_memory_mb()
        except BackendError:
            # A GPU that does not answer is told by the recognition that fails, not by the report on it.
            return None

    def _session_name(self) -> str:
        return self._settings.session_name or f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}"
