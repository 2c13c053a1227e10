"""Everything between an image and a detection, without ROS: extractor, live map, loaded maps, loop detector."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import A2gcError, BackendError, ConfigError, MapError
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.images.ahead import cores
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import matching
from a2gc_ros.loops.detector import LoopDetector
from a2gc_ros.loops.preparation import Preparation, Prepared
from a2gc_ros.loops.results import Detection, LoopClosure
from a2gc_ros.loops.verification import GeometricVerifier
from a2gc_ros.nodes.base.fair_lock import FairLock
from a2gc_ros.nodes.base.latest_mailbox import JUMP_BACK_NS
from a2gc_ros.nodes.health.diagnostics import Engine
from a2gc_ros.nodes.parameters import NodeSettings
from a2gc_ros.placemap.index import gpu_problem
from a2gc_ros.placemap.live_index import IndexOptions
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Keyframe, Manifest

IN_MEMORY = ":memory:"
SOURCE = "live"
MOST_CANDIDATES = 1000
"""Keyframes that one request may ask for; room for all of them is made before any is found."""


@dataclass(frozen=True)
class Opened:
    """A map that is worked with.

    Attributes:
        index: The number its candidates carry; 0 is the live map.
        path: The file; empty for a live map in memory.
        uuid: Identity of the map.
        keyframes: How many keyframes it has.
        sessions: How many sessions they come from.
    """

    index: int
    path: str
    uuid: str
    keyframes: int
    sessions: int


class Recognizer:
    """Recognises places in frames, and looks after the maps.

    Frames come from one thread; maps may be saved and loaded from others meanwhile.

    Args:
        settings: The node's parameters.

    Raises:
        A2gcError: If the model or a map cannot be opened, or do not fit each other.
    """

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._lock = FairLock()
        self._last_stamp_ns: int | None = None
        self.newest_descriptor: npt.NDArray[np.float32] = np.empty(0, np.float32)
        self._maps: list[PlaceMap] = []
        problem = gpu_problem() if settings.search == "gpu" else None
        if problem is not None and not settings.fallback:
            raise ConfigError(problem)
        self._options = IndexOptions(gpu=settings.search == "gpu" and problem is None)
        self._search = settings.search if problem is None else f"cpu ({problem})"
        self.extractor: Extractor = open_extractor(
            settings.model,
            backend=settings.backend,
            precision=settings.precision,  # type: ignore[arg-type]
            threads=settings.threads,
            engine=settings.engine,
            fallback=settings.fallback,
        )
        self._live: PlaceMap | None = None
        try:
            self._live = self._open_live()
            for path in settings.maps:
                fresh = self._open(path)
                try:
                    self._refuse_again(fresh)
                except MapError:
                    fresh.close()
                    raise
                self._maps.append(fresh)
            self._detector = LoopDetector(
                settings.loop,
                self._live,
                self._maps,
                session_name=self._session_name(),
                session_source=SOURCE,
                threads=cores(settings.threads),
            )
            self._preparation = Preparation(self._detector, self.extractor.extract_one)
            self.extractor.extract_one(np.zeros((32, 32, 3), np.uint8))
        except A2gcError:
            self.close()
            raise

    def prepare(self, frame: Frame) -> Prepared:
        """Does what the frame alone needs, beside the work on the frames before it; one thread at a time.

        Raises:
            ImageError: If the image cannot be prepared for the model.
            BackendError: If the runtime failed.
        """
        return self._preparation(frame)

    def process(self, prepared: Prepared) -> Detection:
        """Recognises the place in a frame, and keeps the frame where the live map needs it.

        Raises:
            MapError: If the live map cannot be written.
        """
        frame = prepared.frame
        with self._lock:
            if self._last_stamp_ns is not None and frame.stamp_ns < self._last_stamp_ns - JUMP_BACK_NS:
                self.start_session()
            self._last_stamp_ns = frame.stamp_ns
            detection = self._detector.process(frame, prepared.descriptor, prepared.view)
        for stage, spent_ms in prepared.timings_ms.items():
            detection.timings_ms[stage] = detection.timings_ms.get(stage, 0.0) + spent_ms
        self.newest_descriptor = prepared.descriptor
        return detection

    def start_session(self) -> None:
        """Begins a new session in the live map: what comes does not go together with what was kept."""
        with self._lock:
            self._detector.start_session(self._session_name(), SOURCE)
            self._preparation.restart()

    @contextlib.contextmanager
    def unchanged_maps(self) -> Iterator[None]:
        """Keeps maps from being loaded and unloaded meanwhile, so that their numbers mean what they meant."""
        with self._lock:
            yield

    def relocalize(self, frame: Frame, most: int) -> list[LoopClosure]:
        """Compares one frame with the loaded maps, or with the live one where none is loaded, and keeps nothing.

        Args:
            frame: The frame; its stamp does not matter.
            most: How many keyframes are wanted; 0 for as many as the parameter `loop.k`.

        Returns:
            The most similar keyframes, best first. The geometric check was made for the first few.
        """
        config = self._settings.loop
        wanted = min(most or config.k, MOST_CANDIDATES)
        descriptor = self.extractor.extract_one(frame.image)
        with self._lock:
            maps = list(enumerate(self._maps, 1)) or [(0, self.live_map)]
            located = [
                found
                for index, place_map in maps
                for found in matching.nearest(place_map, index, frame.stamp_ns, descriptor, wanted)
            ]
            closures = [LoopClosure(found.match) for found in matching.best_first(located)[:wanted]]
            if not config.verify:
                return closures
            verifier = GeometricVerifier(config)
            view = verifier.view_of_frame(frame)
            for position, closure in enumerate(closures[: config.max_verifications]):
                match = closure.match
                keyframe = verifier.view_of_keyframe(self.place_map(match.map_index), match.keyframe_id)
                closures[position] = replace(closure, verification=verifier.verify(view, keyframe))
        return closures

    def keyframe(self, map_index: int, keyframe_id: int) -> Keyframe:
        """Returns a keyframe of the live map (0) or of a loaded one."""
        return self.place_map(map_index).keyframe(keyframe_id)

    def place_map(self, map_index: int) -> PlaceMap:
        """Returns the live map (0) or a loaded one."""
        with self._lock:
            return self.live_map if map_index == 0 else self._maps[map_index - 1]

    @property
    def live_map(self) -> PlaceMap:
        """The map that grows."""
        if self._live is None:
            raise MapError("the live map is closed: configure the node again")
        return self._live

    def save(self, path: str, *, overwrite: bool) -> tuple[Path, int]:
        """Writes a copy of the live map.

        Returns:
            The file and how many keyframes it holds.

        Raises:
            MapError: If the file exists and may not be replaced, or cannot be written.
        """
        name = path or f"{datetime.now(timezone.utc):%Y-%m-%d_%H-%M-%S}.a2gc"
        target = self._settings.map_path(name)
        with self._lock:
            for number, place_map in enumerate(self._maps, 1):
                if place_map.is_file(target):
                    raise MapError(f"{target} is loaded as map {number}: choose another path")
        if target.exists() and not overwrite:
            raise MapError(f"{target} exists: choose another path or allow overwriting")
        _make_folder(target, "the folder")
        self.live_map.save_copy(target)
        with PlaceMap.open(target, read_only=True) as copy:
            return target, len(copy)

    def load(self, path: str, *, instead: bool) -> Opened:
        """Opens a map beside the loaded ones, or in place of them.

        Raises:
            MapError: If it is missing, damaged, or was built with another extractor; nothing changes then.
        """
        if not path:
            raise MapError("no path was given: name the .a2gc file to load")
        fresh = self._open(path)
        try:
            with self._lock:
                if not instead:
                    self._refuse_again(fresh)
                released = self._maps if instead else []
                maps = [fresh] if instead else [*self._maps, fresh]
                self._detector.use_maps(maps)
                self._maps = maps
                opened = _opened(len(maps), fresh)
        except BaseException:
            fresh.close()
            raise
        for place_map in released:
            place_map.close()
        return opened

    def unload(self, index: int, path: str) -> Path:
        """Lets go of one loaded map; those with higher numbers move down by one.

        Args:
            index: Its number; 0 for the one that the path names.
            path: Its file.

        Returns:
            The file.

        Raises:
            MapError: If no such map is loaded; nothing changes then.
        """
        with self._lock:
            released = self._loaded(index, path)
            maps = [place_map for place_map in self._maps if place_map is not released]
            self._detector.use_maps(maps)
            self._maps = maps
        released.close()
        return Path(released.path)

    def opened(self) -> list[Opened]:
        """Returns the live map and the loaded ones."""
        with self._lock:
            return [_opened(index, place_map) for index, place_map in enumerate((self.live_map, *self._maps))]

    def _loaded(self, index: int, path: str) -> PlaceMap:
        if index > len(self._maps):
            raise MapError(f"there is no map {index}, {len(self._maps)} are loaded: `list_maps` tells which")
        if index > 0:
            return self._maps[index - 1]
        if not path:
            raise MapError("no map was named: give its number, or the path of its file")
        target = self._settings.map_path(path)
        for place_map in self._maps:
            if place_map.is_file(target):
                return place_map
        raise MapError(f"{target} is not loaded: `list_maps` tells which maps are")

    def _refuse_again(self, fresh: PlaceMap) -> None:
        """Refuses a file that is searched already: each of its keyframes would be found twice."""
        for number, place_map in enumerate((self.live_map, *self._maps)):
            if place_map.is_file(fresh.path):
                which = f"loaded as map {number}" if number else "the live map"
                raise MapError(f"{fresh.path} is {which} already: it is searched as it is")

    def engine(self) -> Engine:
        """Returns what the recogniser works with, for the diagnostics."""
        spec = self.extractor.spec
        with self._lock:
            live = self.live_map
            where = "in memory" if live.path == IN_MEMORY else live.path
            return Engine(
                model=f"{spec.name} ({spec.fingerprint[:12]})",
                backend=f"{self.extractor.backend} {self.extractor.precision}",
                gpu_memory_mb=self._gpu_memory_mb(),
                search=self._search,
                live_map=f"{where}, {len(live)} keyframes",
                maps={
                    number: f"{place_map.path}, {len(place_map)} keyframes"
                    for number, place_map in enumerate(self._maps, 1)
                },
            )

    def _gpu_memory_mb(self) -> tuple[float, float] | None:
        try:
            return self.extractor.gpu_memory_mb()
        except BackendError:
            # A GPU that does not answer is told by the recognition that fails, not by the report on it.
            return None

    def close(self) -> None:
        """Closes every map."""
        with self._lock:
            for place_map in (*self._maps, *([self._live] if self._live else [])):
                place_map.close()
            self._maps, self._live = [], None

    def _session_name(self) -> str:
        return self._settings.session_name or f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}"

    def _open(self, path: str) -> PlaceMap:
        spec = self.extractor.spec
        place_map = PlaceMap.open(self._settings.map_path(path), read_only=True, options=self._options)
        try:
            place_map.require(spec.fingerprint, spec.name)
            place_map.prepare()
        except MapError:
            place_map.close()
            raise
        return place_map

    def _open_live(self) -> PlaceMap:
        spec = self.extractor.spec
        manifest = Manifest.of(spec)
        if not self._settings.live_map:
            return PlaceMap.create(IN_MEMORY, manifest)
        path = self._settings.map_path(self._settings.live_map)
        if path.exists():
            place_map = PlaceMap.open(path)
            try:
                place_map.require(spec.fingerprint, spec.name)
            except MapError:
                place_map.close()
                raise
            return place_map
        _make_folder(path, "the folder of live_map,")
        return PlaceMap.create(path, manifest)


def _make_folder(path: Path, what: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MapError(f"{what} {path.parent} cannot be made ({error.strerror}): choose another path") from error


def _opened(index: int, place_map: PlaceMap) -> Opened:
    path = "" if place_map.path == IN_MEMORY else place_map.path
    return Opened(index, path, place_map.manifest.uuid, len(place_map), len(place_map.sessions()))
