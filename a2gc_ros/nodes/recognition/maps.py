"""The maps that the node works with: the live one, which grows, and the loaded ones, which are only searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from a2gc_ros.errors import MapError
from a2gc_ros.nodes.base.fair_lock import FairLock
from a2gc_ros.nodes.parameters import NodeSettings
from a2gc_ros.placemap.live_index import IndexOptions
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Manifest, Model

IN_MEMORY = ":memory:"


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


class Maps:
    """Opens, saves and closes maps, from any thread.

    Args:
        settings: The node's parameters.
        model: Made the descriptors of all of them.
        options: How loaded maps are searched.

    Attributes:
        lock: Held while maps are loaded and unloaded; whoever holds it can rely on their numbers.
        use: Told which maps are loaded from now on.

    Raises:
        MapError: If a map cannot be opened, or was made by another model.
    """

    def __init__(self, settings: NodeSettings, model: Model, options: IndexOptions) -> None:
        self._settings = settings
        self._model = model
        self._options = options
        self.lock = FairLock()
        self.use: Callable[[Sequence[PlaceMap]], None] = lambda _: None
        self._live: PlaceMap | None = None
        self._loaded: list[PlaceMap] = []
        try:
            self._live = self._open_live()
            for path in settings.maps:
                self._loaded.append(self._open(path, self.opened_maps()))
        except BaseException:
            self.close()
            raise

    @property
    def live(self) -> PlaceMap:
        """The map that grows."""
        if self._live is None:
            raise MapError("the live map is closed: configure the node again")
        return self._live

    @property
    def loaded(self) -> list[PlaceMap]:
        """The loaded maps; their numbers begin with 1."""
        return self._loaded

    def place_map(self, number: int) -> PlaceMap:
        """Returns the live map (0) or a loaded one."""
        return self.opened_maps()[number]

    def opened_maps(self) -> list[PlaceMap]:
        """Returns the live map and the loaded ones, by their numbers."""
        with self.lock:
            return [self.live, *self._loaded]

    def save(self, path: str, *, overwrite: bool) -> tuple[Path, int]:
        """Writes a copy of the live map.

        Returns:
            The file and how many keyframes it holds.

        Raises:
            MapError: If the file exists and may not be replaced, or cannot be written.
        """
        name = path or f"{datetime.now(timezone.utc):%Y-%m-%d_%H-%M-%S}.a2gc"
        target = self._settings.map_path(name)
        with self.lock:
            for number, place_map in enumerate(self._loaded, 1):
                if place_map.is_file(target):
                    raise MapError(f"{target} is loaded as map {number}: choose another path")
        if target.exists() and not overwrite:
            raise MapError(f"{target} exists: choose another path or allow overwriting")
        _make_folder(target, "the folder")
        self.live.save_copy(target)
        with PlaceMap.open(target, read_only=True) as copy:
            return target, len(copy)

    def load(self, path: str, *, instead: bool) -> Opened:
        """Opens a map beside the loaded ones, or in place of them.

        Raises:
            MapError: If it is missing, damaged, or was built with another extractor; nothing changes then.
        """
        if not path:
            raise MapError("no path was given: name the .a2gc file to load")
        fresh = self._open(path, ())
        try:
            with self.lock:
                _refuse_again(fresh, [self.live] if instead else self.opened_maps())
                released = self._loaded if instead else []
                self._change([fresh] if instead else [*self._loaded, fresh])
                opened = _opened(len(self._loaded), fresh)
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
        with self.lock:
            released = self._find(index, path)
            self._change([place_map for place_map in self._loaded if place_map is not released])
        released.close()
        return Path(released.path)

    def opened(self) -> list[Opened]:
        """Returns what is told of the live map and the loaded ones."""
        with self.lock:
            return [_opened(index, place_map) for index, place_map in enumerate(self.opened_maps())]

    def close(self) -> None:
        """Closes every map."""
        with self.lock:
            for place_map in (*self._loaded, *([self._live] if self._live else [])):
                place_map.close()
            self._loaded, self._live = [], None

    def _change(self, maps: list[PlaceMap]) -> None:
        self.use(maps)
        self._loaded = maps

    def _find(self, index: int, path: str) -> PlaceMap:
        if index > len(self._loaded):
            raise MapError(f"there is no map {index}, {len(self._loaded)} are loaded: `list_maps` tells which")
        if index > 0:
            return self._loaded[index - 1]
        if not path:
            raise MapError("no map was named: give its number, or the path of its file")
        target = self._settings.map_path(path)
        for place_map in self._loaded:
            if place_map.is_file(target):
                return place_map
        raise MapError(f"{target} is not loaded: `list_maps` tells which maps are")

    def _open(self, path: str, others: Sequence[PlaceMap]) -> PlaceMap:
        place_map = PlaceMap.open(self._settings.map_path(path), read_only=True, options=self._options)
        try:
            place_map.require(self._model.fingerprint, self._model.name)
            place_map.prepare()
            _refuse_again(place_map, others)
        except MapError:
            place_map.close()
            raise
        return place_map

    def _open_live(self) -> PlaceMap:
        if not self._settings.live_map:
            return PlaceMap.create(IN_MEMORY, Manifest.of(self._model))
        path = self._settings.map_path(self._settings.live_map)
        if not path.exists():
            _make_folder(path, "the folder of live_map,")
            return PlaceMap.create(path, Manifest.of(self._model))
        place_map = PlaceMap.open(path)
        try:
            place_map.require(self._model.fingerprint, self._model.name)
        except MapError:
            place_map.close()
            raise
        return place_map


def _refuse_again(fresh: PlaceMap, others: Sequence[PlaceMap]) -> None:
    """Refuses a file that is searched already: each of its keyframes would be found twice."""
    for number, place_map in enumerate(others):
        if place_map.is_file(fresh.path):
            which = f"loaded as map {number}" if number else "the live map"
            raise MapError(f"{fresh.path} is {which} already: it is searched as it is")


def _make_folder(path: Path, what: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MapError(f"{what} {path.parent} cannot be made ({error.strerror}): choose another path") from error


def _opened(index: int, place_map: PlaceMap) -> Opened:
    path = "" if place_map.path == IN_MEMORY else place_map.path
    return Opened(index, path, place_map.manifest.uuid, len(place_map), len(place_map.sessions()))
