"""The chain with the model that ships and its default settings, on recordings with known loops."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2gc_ros.bags.image_folder import open_image_folder, write_image_folder
from a2gc_ros.replay.pipeline import ReplayOptions, replay
from a2gc_ros.replay.records import read_queries


@pytest.mark.slow
def test_the_demo_drive_has_no_false_closure(repository: Path, tmp_path: Path) -> None:
    """The end of the first lap and a third of the second; docs/demo.md has the numbers of the whole drive."""
    drive = ReplayOptions(repository / "maps" / "demo" / "town.mcap", tmp_path, threads=1, stop=150.0)
    numbers = replay(drive)
    assert numbers["precision"] == 1.0
    assert numbers["closures"] >= 40
    assert numbers["recall"] >= 0.8


@pytest.mark.slow
def test_a_robot_that_just_comes_back_is_told_nothing_false(shared_data: Path, tmp_path: Path) -> None:
    """Outdoors, in gray, 217 m round: images 70 and 71 are back at image 0, too few for closures that must agree."""
    folder = shared_data / "robot_run"
    run = tmp_path / "run.mcap"
    write_image_folder(open_image_folder(folder / "images", poses=folder / "poses.csv", rate=1.0), run)
    numbers = replay(ReplayOptions(run, tmp_path / "report", threads=1))
    assert numbers["revisits"] >= 1
    pairs = [
        ((query.stamp_ns - 10**9) // 10**9, (closure.keyframe_stamp_ns - 10**9) // 10**9)
        for query in read_queries(tmp_path / "report" / "queries.jsonl")
        for closure in query.closures
    ]
    assert all(query >= 69 and keyframe <= 3 for query, keyframe in pairs)
