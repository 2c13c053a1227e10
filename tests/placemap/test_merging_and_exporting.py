"""Merging keeps sessions apart; exports are what other programs read back."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros import geometry
from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap, export, merge


def test_merged_maps_keep_their_sessions_apart(filled: Path, manifest: Manifest, unit: Callable) -> None:
    other = filled.parent / "other.a2gc"
    vectors = unit(5, seed=8)
    with PlaceMap.create(other, manifest) as place_map:
        session = place_map.add_session("night", "night.mcap")
        place_map.add_many(
            session.id,
            [NewKeyframe(i, v, image_jpeg=b"n%d" % i, intrinsics_json="{}") for i, v in enumerate(vectors)],
        )
    out = filled.parent / "both.a2gc"
    merge([filled, other], out)
    with PlaceMap.open(out) as both, PlaceMap.open(filled) as first:
        assert [s.name for s in both.sessions()] == ["morning", "evening", "night"]
        assert len(both) == 65
        assert both.manifest.fingerprint == manifest.fingerprint
        assert both.manifest.uuid != first.manifest.uuid
        assert both.search(vectors, 1)[1][:, 0].tolist() == [61, 62, 63, 64, 65]
        assert both.image(63) == b"n2"
        assert both.keyframe(63).intrinsics_json == "{}"
        assert both.keyframe(63).session_id == 3
        pose, expected = both.keyframe(8).pose, first.keyframe(8).pose
        assert pose is not None
        assert expected is not None
        np.testing.assert_array_equal(pose, expected)
        assert both.keyframe(8).path_length == 7.0
    assert sorted(p.name for p in filled.parent.iterdir() if "both" in p.name) == ["both.a2gc"]


def test_a_session_that_several_maps_have_is_merged_into_one(filled: Path, unit: Callable) -> None:
    copy = filled.parent / "copy.a2gc"
    with PlaceMap.open(filled, read_only=True) as place_map:
        place_map.save_copy(copy)
        sessions = place_map.sessions()
    new = unit(3, seed=9)
    for path, vectors in ((filled, new[:1]), (copy, new[1:])):
        with PlaceMap.open(path) as place_map:
            place_map.add_many(2, [NewKeyframe(10**12, vector) for vector in vectors])
    merge([filled, copy, filled], filled.parent / "once.a2gc")
    with PlaceMap.open(filled.parent / "once.a2gc") as once:
        assert once.sessions() == sessions
        assert [once.count(session.id) for session in sessions] == [40, 23]
        assert once.search(new, 1)[1][:, 0].tolist() == [61, 62, 63]


def test_maps_of_different_extractors_are_not_merged(filled: Path, manifest: Manifest) -> None:
    other = filled.parent / "other.a2gc"
    PlaceMap.create(other, replace(manifest, fingerprint="b" * 64, model_name="letters")).close()
    out = filled.parent / "both.a2gc"
    with pytest.raises(MapError, match=r"letters.*numbers"):
        merge([filled, other], out)
    assert not out.exists()
    with pytest.raises(MapError, match="exists already"):
        merge([filled], other)
    with pytest.raises(MapError, match="at least one"):
        merge([], out)


def test_npz_holds_every_keyframe(filled: Path, unit: Callable) -> None:
    with PlaceMap.open(filled) as place_map:
        export(place_map, filled.parent / "town.npz")
    with np.load(filled.parent / "town.npz", allow_pickle=False) as arrays:
        assert arrays["keyframe_id"].tolist() == list(range(1, 61))
        np.testing.assert_array_equal(arrays["descriptor"], unit(60).astype(np.float16))
        assert arrays["pose"].shape == (60, 4, 4)
        assert arrays["pose"][7, 0, 3] == 7.0
        assert np.isnan(arrays["pose"][40:]).all()
        assert np.isnan(arrays["travelled_m"][40:]).all()
        assert str(arrays["model"]) == "numbers"


def test_csv_holds_the_trajectories(filled: Path) -> None:
    with PlaceMap.open(filled) as place_map:
        export(place_map, filled.parent / "town.csv")
        keyframe = place_map.keyframe(8)
    with (filled.parent / "town.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    row = rows[7]
    quaternion = [float(row[name]) for name in ("qx", "qy", "qz", "qw")]
    position = [float(row[name]) for name in ("x_m", "y_m", "z_m")]
    assert keyframe.pose is not None
    np.testing.assert_allclose(geometry.pose_from_quaternion(position, quaternion), keyframe.pose)
    assert row["session"] == "morning"
    assert int(row["stamp_ns"]) == keyframe.stamp_ns
    assert rows[50]["x_m"] == ""


def test_an_empty_map_can_be_exported(tmp_path: Path, manifest: Manifest) -> None:
    with PlaceMap.create(tmp_path / "m.a2gc", manifest) as place_map:
        export(place_map, tmp_path / "m.npz")
        export(place_map, tmp_path / "m.csv")
    with np.load(tmp_path / "m.npz") as arrays:
        assert arrays["descriptor"].shape == (0, 32)
        assert arrays["pose"].shape == (0, 4, 4)


def test_an_unknown_ending_is_refused(filled: Path) -> None:
    with PlaceMap.open(filled) as place_map, pytest.raises(MapError, match=r"neither \.npz nor \.csv"):
        export(place_map, filled.parent / "town.pickle")


def test_maps_without_keyframes_give_nothing(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.a2gc", "b.a2gc")]
    for path in paths:
        with PlaceMap.create(path, Manifest("f" * 64, 8, "test")) as place_map:
            place_map.add_session("empty")
    with pytest.raises(MapError, match="nothing to merge"):
        merge(paths, tmp_path / "both.a2gc")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == ["a.a2gc", "b.a2gc"]
