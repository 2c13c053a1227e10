"""Maps of formats 1 and 2 go on working."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.placemap import FeatureBlob, PlaceMap, merge
from a2gc_ros.placemap.schema import FORMAT_VERSION
from a2gc_ros.placemap.summary import summaries

AS_2 = "DROP INDEX keyframes_of_session; DROP INDEX sessions_by_uuid; ALTER TABLE sessions DROP COLUMN uuid;"
AS_1 = AS_2 + "DROP TABLE features; ALTER TABLE keyframes DROP COLUMN t_base_camera;"


def aged(path: Path, number: int) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(f"{AS_1 if number == 1 else AS_2} PRAGMA user_version = {number};")
    connection.close()
    return path


@pytest.fixture
def old(filled: Path) -> Path:
    """The filled map as format 1 had it."""
    return aged(filled, 1)


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
        # The copy's sessions are the same ones.
        assert len(both) == 61
        (last,) = [keyframe for keyframe in both.keyframes() if keyframe.stamp_ns == 99]
        assert both.features(last.id) == FeatureBlob("orb", b"x")
        np.testing.assert_array_equal(last.t_base_camera, np.eye(4))


def test_sessions_of_a_map_of_format_2_have_an_identity_that_stays(filled: Path) -> None:
    aged(filled, 2)
    with PlaceMap.open(filled, read_only=True) as place_map:
        seen = place_map.sessions()
        assert [found.keyframes for found in summaries(place_map)] == [40, 20]
        assert place_map.keyframe(3).frame_id == "camera"
    assert version(filled) == 2
    with PlaceMap.open(filled) as place_map:
        assert place_map.sessions() == seen
        assert place_map.add_session("more").uuid not in {session.uuid for session in seen}
    assert version(filled) == FORMAT_VERSION


def test_copies_that_went_their_own_ways_have_sessions_of_their_own(filled: Path) -> None:
    copy = filled.with_name("copy.a2gc")
    with PlaceMap.open(filled) as place_map:
        place_map.save_copy(copy)
    identities = []
    for path, name in ((filled, "tuesday"), (copy, "wednesday")):
        with PlaceMap.open(path) as place_map:
            place_map.add_session(name)
        aged(path, 2)
        with PlaceMap.open(path) as place_map:
            identities.append([session.uuid for session in place_map.sessions()])
    ours, theirs = identities
    assert ours[:2] == theirs[:2]
    assert ours[2] != theirs[2]
