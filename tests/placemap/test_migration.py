"""Maps of format 1 go on working."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.placemap import FeatureBlob, PlaceMap, merge
from a2gc_ros.placemap.schema import FORMAT_VERSION


@pytest.fixture
def old(filled: Path) -> Path:
    """The filled map as format 1 had it."""
    connection = sqlite3.connect(filled)
    with connection:
        connection.execute("DROP TABLE features")
        connection.execute("ALTER TABLE keyframes DROP COLUMN t_base_camera")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    return filled


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_read_only_the_file_is_left_alone(old: Path, unit: Callable) -> None:
    before = old.read_bytes()
    with PlaceMap.open(old, read_only=True) as place_map:
        assert place_map.search(unit(60)[4], 1)[1][0, 0] == 5
        assert place_map.keyframe(5).t_base_camera is None
        assert place_map.features(5) is None
        assert place_map.image(5) is not None
    assert old.read_bytes() == before
    assert version(old) == 1


def test_opened_for_writing_it_becomes_the_present_format(old: Path, unit: Callable) -> None:
    mounted = np.eye(4)
    mounted[2, 3] = 1.2
    with PlaceMap.open(old) as place_map:
        added = place_map.add(1, 99, unit(1)[0], t_base_camera=mounted, features=FeatureBlob("sift", b"abc"))
    assert version(old) == FORMAT_VERSION
    with PlaceMap.open(old, read_only=True) as place_map:
        assert len(place_map) == 61
        assert place_map.keyframe(1).t_base_camera is None
        np.testing.assert_array_equal(place_map.keyframe(added).t_base_camera, mounted)
        assert place_map.features(added) == FeatureBlob("sift", b"abc")
        assert place_map.features(1) is None


def test_old_and_new_maps_are_merged(old: Path, unit: Callable) -> None:
    new = old.parent / "new.a2gc"
    with PlaceMap.open(old, read_only=True) as place_map:
        place_map.save_copy(new)
    assert version(new) == 1
    with PlaceMap.open(new) as place_map:
        place_map.add(1, 99, unit(1)[0], t_base_camera=np.eye(4), features=FeatureBlob("orb", b"x"))
    merge([old, new], old.parent / "both.a2gc")
    with PlaceMap.open(old.parent / "both.a2gc", read_only=True) as both:
        assert len(both) == 121
        last = both.keyframes()[-1]
        assert both.features(last.id) == FeatureBlob("orb", b"x")
        np.testing.assert_array_equal(last.t_base_camera, np.eye(4))
