"""The maps of a node: which files are refused, and what each number means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.nodes.parameters import PARAMETERS, NodeSettings
from a2gc_ros.nodes.recognition.maps import Maps
from a2gc_ros.placemap import Manifest, PlaceMap
from a2gc_ros.placemap.live_index import IndexOptions


class Model(NamedTuple):
    name: str = "a model"
    fingerprint: str = "f" * 64
    descriptor_dim: int = 8


@pytest.fixture
def maps(tmp_path: Path) -> Iterator[Maps]:
    """A live map in a file, and a loaded one."""
    with PlaceMap.create(tmp_path / "town.a2gc", Manifest.of(Model())) as town:
        town.add(town.add_session("first").id, 1, np.eye(8, dtype=np.float32)[0])
    given = {"map_directory": str(tmp_path), "live_map": "live.a2gc", "maps": ("town.a2gc",)}
    settings = NodeSettings.from_values({parameter.name: parameter.default for parameter in PARAMETERS} | given)
    opened = Maps(settings, Model(), IndexOptions())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("path", "instead", "said"),
    [
        ("town.a2gc", False, "town.a2gc is loaded as map 1 already"),
        ("live.a2gc", False, "live.a2gc is the live map already"),
        ("live.a2gc", True, "live.a2gc is the live map already"),
    ],
)
def test_a_file_that_is_searched_already_is_refused(maps: Maps, path: str, instead: bool, said: str) -> None:
    with pytest.raises(MapError, match=said):
        maps.load(path, instead=instead)
    assert len(maps.all()) == 2


def test_a_loaded_map_may_be_loaded_anew_in_place_of_all(maps: Maps) -> None:
    used: list[int] = []
    maps.use = lambda loaded: used.append(len(loaded))
    assert maps.load("town.a2gc", instead=True) == 1
    assert maps.unload(0, "town.a2gc").name == "town.a2gc"
    assert used == [1, 0]
    assert [len(place_map) for place_map in maps.all()] == [0]
