from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from painted_wall import STEPS, write_drive

from a2gc_ros.bags import RecordingWriter
from a2gc_ros.bags.formats import is_recording
from a2gc_ros.errors import BagError, DatasetError
from a2gc_ros.evaluation.datasets.recordings import Pairing, RecordingImages, RunOptions, open_recordings
from a2gc_ros.evaluation.evaluate import EvaluationSettings, evaluate
from a2gc_ros.extract import Extractor
from a2gc_ros.geometry import pose_from_xy_yaw

START_NS = 1_700_000_000_000_000_000
EVERY = RunOptions(spacing_m=0)


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wall") / "wall.mcap"
    write_drive(path)
    return path


def write_run(path: Path, poses: list[tuple[float, float, float]], looks: list[int]) -> None:
    """Flat pictures of some brightness pattern, a second apart, with true poses."""
    with RecordingWriter(path) as writer:
        for number, (pose, look) in enumerate(zip(poses, looks, strict=True)):
            stamp_ns = START_NS + number * 1_000_000_000
            writer.add_pose(stamp_ns, pose_from_xy_yaw(*pose))
            writer.add_image(stamp_ns, np.random.default_rng(look).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def test_two_runs_with_recall_by_hand(tmp_path: Path, extractor: Extractor) -> None:
    write_run(tmp_path / "map.mcap", [(0, 0, 0), (20, 0, 0), (40, 0, 0)], [0, 1, 2])
    # Right; looks like the first but stands at the third; looks back; near nothing.
    asked = [(1, 0, 0.1), (41, 0, 0), (20, 1, 3.0), (99, 0, 0)]
    write_run(tmp_path / "ask.mcap", asked, [0, 0, 1, 2])
    dataset = open_recordings(
        (tmp_path / "map.mcap", EVERY), (tmp_path / "ask.mcap", EVERY), Pairing(metres=5), name="pair"
    )
    assert [rows.tolist() for rows in dataset.truth] == [[0], [2], [], []]
    assert "the true poses on" in dataset.protocol
    outcome = evaluate(dataset, extractor, EvaluationSettings(store=tmp_path / "store"))
    assert outcome.recall.at(1) == 0.25
    assert outcome.recall.at(5) == 0.5
    assert outcome.recall.answerable.tolist() == [True, True, False, False]


def test_of_images_of_one_stamp_the_first_counts(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "run.mcap") as writer:
        for second in range(4):
            writer.add_pose(START_NS + second * 10**9, pose_from_xy_yaw(second, 0, 0))
        for look, second in enumerate((0, 1, 2, 2, 3)):
            writer.add_image(START_NS + second * 10**9, np.full((48, 64, 3), 40 * look, np.uint8))
    images = RecordingImages(tmp_path / "run.mcap", EVERY)
    assert ((images.stamps_ns - START_NS) // 10**9).tolist() == [0, 1, 2, 3]
    assert [int(image[0, 0, 0]) for image in images.read(np.arange(4))] == [0, 40, 80, 160]


def test_one_run_is_asked_against_its_past(wall: Path, extractor: Extractor, tmp_path: Path) -> None:
    pairing = Pairing(metres=1.5, min_gap_s=3.0)
    dataset = open_recordings((wall, EVERY), (wall, EVERY), pairing, name="wall")
    outcome = evaluate(dataset, extractor, EvaluationSettings(store=tmp_path))
    # Two rounds: the first has no past to recognize but where it closes, the second all of it, with the same pictures.
    assert outcome.recall.answerable.sum() == STEPS + 1
    assert outcome.recall.hits[STEPS:, 0].all()
    assert outcome.curve.recall_at_precision(1.0) >= STEPS / (STEPS + 1)
    late = outcome.neighbors.rows[-1]
    stamps = dataset.database.images.stamps_ns
    assert (stamps[-1] - stamps[late[late >= 0]] >= 3_000_000_000).all()
    assert dataset.groups is not None
    assert len(np.unique(dataset.groups)) == 2


def test_images_are_thinned_by_distance(wall: Path) -> None:
    dataset = open_recordings((wall, RunOptions(spacing_m=1.9)), (wall, EVERY), Pairing(), name="wall")
    assert len(dataset.database) == STEPS
    assert len(dataset.queries) == 2 * STEPS


def test_poses_from_a_file(wall: Path, tmp_path: Path) -> None:
    file = tmp_path / "poses.tum"
    file.write_text("".join(f"{1_700_000_000 + s} {s} 0 0 0 0 0 1\n" for s in range(8)))
    dataset = open_recordings((wall, RunOptions(truth=str(file))), (wall, EVERY), Pairing(), name="wall")
    assert "poses.tum" in dataset.protocol
    assert dataset.database.images.poses[:, 0].tolist() == list(range(8))


def test_a_run_without_poses_is_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bare.mcap") as writer:
        writer.add_image(START_NS, np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(BagError, match="--truth"):
        open_recordings((tmp_path / "bare.mcap", EVERY), (tmp_path / "bare.mcap", EVERY), Pairing(), name="bare")


def test_poses_of_another_time_are_refused(wall: Path, tmp_path: Path) -> None:
    (tmp_path / "p.tum").write_text("1 0 0 0 0 0 0 1\n2 1 0 0 0 0 0 1\n")
    options = RunOptions(truth=str(tmp_path / "p.tum"))
    with pytest.raises(DatasetError, match="no image with a known pose"):
        open_recordings((wall, options), (wall, options), Pairing(), name="wall")


def test_folders_are_told_from_recordings(wall: Path, tmp_path: Path) -> None:
    assert is_recording(wall)
    assert is_recording(wall.parent)
    assert not is_recording(tmp_path)
