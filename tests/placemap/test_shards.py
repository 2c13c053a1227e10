"""Parts that are built apart and merged are the map that one run gives."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from programs import load

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import BuildPlan, Manifest, MapBuilder, PlaceMap, Spacing, merge
from a2gc_ros.system.shards import Shard

recordings = load(Path(__file__).with_name("recordings.py"))


def frames(count: int, poses: bool = True):
    return recordings.frames(count, poses=poses)


def built(path: Path, counts: dict[str, int], shard: Shard | None, *, poses: bool = True) -> Path:
    extractor = recordings.MadeExtractor()
    spec = extractor.spec
    opened = (
        PlaceMap.open(path) if path.exists() else PlaceMap.create(path, Manifest(spec.fingerprint, spec.descriptor_dim))
    )
    with opened as place_map:
        builder = MapBuilder(place_map, extractor, BuildPlan(Spacing(), 5, recordings.few_pixels, shard=shard))
        for name, count in counts.items():
            builder.build(name, frames(count, poses), session_name=name)
    return path


def rows(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


EVERYTHING = (
    "SELECT k.id, k.session_id, k.stamp_ns, k.pose, k.travelled, k.frame_id, k.t_base_camera, i.json, d.crc32, d.data, "
    "p.jpeg, f.kind, f.data FROM keyframes k LEFT JOIN intrinsics i ON i.id = k.intrinsics_id "
    "JOIN descriptors d ON d.keyframe_id = k.id LEFT JOIN images p ON p.keyframe_id = k.id "
    "LEFT JOIN features f ON f.keyframe_id = k.id ORDER BY k.id"
)
WAYS = {"morning": 160, "evening": 90}


@pytest.mark.parametrize("count", [1, 3, pytest.param(40, marks=pytest.mark.slow)])
def test_merged_parts_are_the_map_of_one_run(tmp_path: Path, count: int) -> None:
    whole = built(tmp_path / "whole.a2gc", WAYS, None)
    parts = [built(tmp_path / f"{n}.a2gc", WAYS, Shard(n, count)) for n in range(1, count + 1)]
    # Built again, nothing is done twice.
    built(parts[0], WAYS, Shard(1, count))
    sizes = [len(rows(part, "SELECT 1 FROM keyframes")) for part in parts]
    assert sum(sizes) == len(rows(whole, "SELECT 1 FROM keyframes"))
    merged = tmp_path / "merged.a2gc"
    merge(parts[::-1], merged)
    assert rows(merged, EVERYTHING) == rows(whole, EVERYTHING)
    assert rows(merged, "SELECT name, source FROM sessions") == rows(whole, "SELECT name, source FROM sessions")
    assert rows(merged, "SELECT * FROM progress") == rows(whole, "SELECT * FROM progress")
    # What was read is known as read.
    built(merged, WAYS, None)
    assert rows(merged, EVERYTHING) == rows(whole, EVERYTHING)


def test_some_parts_are_not_merged_without_the_others(tmp_path: Path) -> None:
    parts = [built(tmp_path / f"{n}.a2gc", WAYS, Shard(n, 3)) for n in (1, 3)]
    with pytest.raises(MapError, match=r"part 2 of 3 of (morning|evening) is missing"):
        merge(parts, tmp_path / "merged.a2gc")
    assert not (tmp_path / "merged.a2gc").exists()


def test_a_part_is_gone_on_with_as_that_part_alone(tmp_path: Path) -> None:
    part = built(tmp_path / "1.a2gc", {"morning": 80}, Shard(1, 3))
    with pytest.raises(MapError, match="built with other keyframe settings"):
        built(part, {"morning": 80}, Shard(2, 3))


def test_without_poses_a_recording_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="cannot be built in parts"):
        built(tmp_path / "1.a2gc", {"morning": 80}, Shard(1, 3), poses=False)
