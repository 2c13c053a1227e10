"""The maps that the node works with: the live one, which grows, and the loaded ones, which are only searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from a2gc_ros.errors import MapError
from a2gc_ros.nodes.base.fair_lock import FairLock
from a2gc_ros.nodes.parameters import NodeSettings
from a2gc_ros.placemap.live_index import IndexOptions
from a2gc_ros.placemap.place_map import PlaceMap
from a2gc_ros.placemap.records import Manifest, Model

IN_MEMORY = ":memory:"


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
        self._maps: list[PlaceMap] = []
        try:
            self._maps = [self._open_live()]
            for path in settings.maps:
                self.load(path, instead=False)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, number: int) -> PlaceMap:
        """Returns the live map, which grows (0), or a loaded one."""
        with self.lock:
            return self.all()[number]

    def all(self) -> list[PlaceMap]:
        """Returns the live map and the loaded ones, by their numbers."""
        if not self._maps:
            raise MapError("the live map is closed: configure the node again")
        return self._maps

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
            for number, place_map in enumerate(self._maps):
                if number and place_map.is_file(target):
                    raise MapError(f"{target} is loaded as map {number}: choose another path")
        if target.exists() and not overwrite:
            raise MapError(f"{target} exists: choose another path or allow overwriting")
        _make_folder(target, "the folder")
        self[0].save_copy(target)
        with PlaceMap.open(target, read_only=True) as copy:
            return target, len(copy)

    def load(self, path: str, *, instead: bool) -> int:
        """Opens a map beside the loaded ones, or in place of them; returns its number.

        Raises:
            MapError: If it is missing, damaged, or was built with another extractor; nothing changes then.
        """
        if not path:
            raise MapError("no path was given: name the .a2gc file to load")
        fresh = PlaceMap.open(self._settings.map_path(path), read_only=True, options=self._options)
        try:
            fresh.require(self._model.fingerprint, self._model.name)
            fresh.prepare()
            with self.lock:
                kept, released = (self.all()[:1], self.all()[1:]) if instead else (self.all(), [])
                _refuse_again(fresh, kept)
                self._change([*kept, fresh])
        except BaseException:
            fresh.close()
            raise
        for place_map in released:
            place_map.close()
        return len(kept)

    def unload(self, number: int, path: str) -> Path:
        """Lets go of one loaded map; those with higher numbers move down by one.

        Args:
            number: Its number; 0 for the one that the path names.
            path: Its file.

        Returns:
            The file.

        Raises:
            MapError: If no such map is loaded; nothing changes then.
        """
        with self.lock:
            released = self._find(number, path)
            self._change([place_map for place_map in self._maps if place_map is not released])
        released.close()
        return Path(released.path)

    def close(self) -> None:
        """Closes every map."""
        with self.lock:
            for place_map in self._maps:
                place_map.close()
            self._maps = []

    def _change(self, maps: list[PlaceMap]) -> None:
        self.use(maps[1:])
        self._maps = maps

    def _find(self, number: int, path: str) -> PlaceMap:
        _, *loaded = self.all()
        if number > len(loaded):
            raise MapError(f"there is no map {number}, {len(loaded)} are loaded: `list_maps` tells which")
        if number > 0:
            return loaded[number - 1]
        if not path:
            raise MapError("no map was named: give its number, or the path of its file")
        target = self._settings.map_path(path)
        for place_map in loaded:
            if place_map.is_file(target):
                return place_map
        raise MapError(f"{target} is not loaded: `list_maps` tells which maps are")

    def _open_live(self) -> PlaceMap:
        if not self._settings.live_map:
            return PlaceMap.create(IN_MEMORY, Manifest.of(self._model))
        path = self._settings.map_path(self._settings.live_map)
        if not path.exists():
            _make_folder(path, "the folder of live_map,")
            return PlaceMap.create(path, Manifest.of(self._model))
        return PlaceMap.open(path, fingerprint=self._model.fingerprint, model_name=self._model.name)


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
