"""Places out of recordings."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from a2gc_training.config import from_mapping
from a2gc_training.data.bags import BagsSource
from a2gc_training.data.sources import load_table
from a2gc_training.data.tables import ImageTable
from a2gc_training.data.view_rule import SharedView
from a2gc_training.recipe import Recipe
from a2gc_training.run import train
from typer.testing import CliRunner

from a2gc_ros.bags import RecordingWriter, open_recording
from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, BagError, ConfigError, DatasetError
from a2gc_ros.extract import open_extractor
from a2gc_ros.geometry import pose_from_quaternion

TRUTH = "/ground_truth/pose"


def read(bags: list[Path], cache: Path, **entries: Any) -> ImageTable:
    source = BagsSource(tuple(map(str, bags)), cache=str(cache), **{"metres": 0.0, "degrees": 0.0, **entries})
    return load_table(source)


def test_a_table_says_where_each_image_was_taken_and_where_it_looks(two_rounds: list[Path], tmp_path: Path) -> None:
    table = read(two_rounds, tmp_path, pose_topic=TRUTH)
    assert len(table) == 72
    assert table.column("session").tolist() == ["day"] * 36 + ["dusk"] * 36
    assert table.numbers("time")[:2] == pytest.approx([1.0, 1.1])
    angle = np.arange(36) * np.radians(10)
    assert table.numbers("x")[:36] == pytest.approx(1.5 * np.cos(angle))
    assert table.numbers("y")[36:] == pytest.approx(1.7 * np.sin(angle))
    assert np.exp(1j * table.numbers("yaw")[:36]) == pytest.approx(np.exp(1j * (angle + np.pi / 2)))
    assert table.numbers("field_of_view") == pytest.approx([75] * 72, abs=0.01)
    with open_recording(two_rounds[1]) as recording:
        frame = list(recording.frames())[4]
    assert np.abs(table.read(40).astype(int) - frame.image).mean() < 8


def test_a_robot_that_stands_still_adds_nothing(two_rounds: list[Path], tmp_path: Path) -> None:
    # A step is 0.26 m and 10 degrees.
    assert len(read(two_rounds[:1], tmp_path, metres=0.5, degrees=360.0)) == 18
    assert len(read(two_rounds[:1], tmp_path, metres=9.0, degrees=29.0)) == 12


def test_images_are_taken_out_once(two_rounds: list[Path], tmp_path: Path) -> None:
    bag = Path(shutil.copy(two_rounds[0], tmp_path))
    table = read([bag], tmp_path / "cache")
    files = sorted((tmp_path / "cache").rglob("*.jpg"))
    files[0].unlink()
    assert len(read([bag], tmp_path / "cache")) == len(table)
    assert not files[0].exists()
    # Another recording under the same name is another matter.
    shutil.copy(two_rounds[1], bag)
    assert len(read([bag], tmp_path / "cache")) == 36
    assert len(list((tmp_path / "cache").glob("day-*[0-9a-f]/"))) == 2


def test_an_image_is_the_same_however_it_was_taken_out(two_rounds: list[Path], tmp_path: Path) -> None:
    fine, coarse = read(two_rounds, tmp_path), read(two_rounds, tmp_path, metres=0.5, degrees=360.0)
    known = {fine.reader.identity(name) for name in fine.images}
    assert len(known) == 72
    assert {coarse.reader.identity(name) for name in coarse.images} <= known


def test_true_poses_bring_rounds_together_and_odometry_keeps_them_apart(two_rounds: list[Path], tmp_path: Path) -> None:
    def sessions_of_places(**entries: Any) -> set[int]:
        source = BagsSource(tuple(map(str, two_rounds)), cache=str(tmp_path), **entries)
        table = load_table(source)
        return {len(set(table.column("session")[rows])) for rows in source.same.places(table).members if len(rows) > 1}

    shared = SharedView(metres=1.0, reach=4.0)
    assert 2 in sessions_of_places(pose_topic=TRUTH, same=shared, metres=0.0)
    assert sessions_of_places(metres=0.0) == {1}


def test_the_camera_looks_where_the_transforms_or_the_recipe_say(tmp_path: Path) -> None:
    # The optical frame of a camera that looks to the robot's left: z to the left, x forward... turned by 90 degrees.
    looks_left = pose_from_quaternion((0.2, 0.0, 0.5), (-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)))
    assert looks_left[:3, 2] == pytest.approx([0, 1, 0])
    with RecordingWriter(tmp_path / "left.mcap") as writer:
        writer.add_transform(10**9, looks_left, parent="base_link", child="camera", static=True)
        writer.add_odometry(10**9, np.eye(4))
        writer.add_image(10**9, np.zeros((8, 8, 3), np.uint8))
    bag = [tmp_path / "left.mcap"]
    seen = read(bag, tmp_path / "cache", field_of_view=80.0)
    assert seen.numbers("yaw").tolist() == pytest.approx([np.pi / 2])
    assert seen.numbers("x").tolist() == pytest.approx([0.2])
    told = read(bag, tmp_path / "cache", field_of_view=80.0, camera_yaw=-30.0)
    assert told.numbers("yaw").tolist() == pytest.approx([np.radians(-30)])
    assert told.numbers("field_of_view").tolist() == [80.0]


def test_poses_may_come_from_a_file(two_rounds: list[Path], tmp_path: Path) -> None:
    lines = [f"{1 + 0.1 * step} {step} 7 0 0 0 0 1" for step in range(36)]
    (tmp_path / "slam.tum").write_text("\n".join(lines))
    table = read(two_rounds[:1], tmp_path, trajectories=(str(tmp_path / "slam.tum"),))
    assert table.numbers("x").tolist() == pytest.approx(list(range(36)))


def test_an_image_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    bag = tmp_path / "noise.mcap"
    with RecordingWriter(bag) as writer:
        writer.add_odometry(10**9, np.eye(4))
        writer.add_image(10**9, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The list of images fits, the image does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            read([bag], tmp_path / "cache", field_of_view=80.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert read([bag], tmp_path / "cache", field_of_view=80.0).read(0).shape == (64, 64, 3)


def without_poses(folder: Path) -> Path:
    with RecordingWriter(folder / "bare.mcap") as writer:
        writer.add_image(10**9, np.zeros((8, 8, 3), np.uint8))
    return folder / "bare.mcap"


def without_calibration(folder: Path) -> Path:
    with RecordingWriter(folder / "bare.mcap") as writer:
        writer.add_odometry(10**9, np.eye(4))
        writer.add_image(10**9, np.zeros((8, 8, 3), np.uint8))
    return folder / "bare.mcap"


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (without_poses, DatasetError, "None of the 1 images of .*bare.mcap has a pose; name a topic"),
        (without_calibration, DatasetError, "no calibration of its camera; give `field_of_view`"),
        (lambda folder: folder / "gone.mcap", BagError, "no recording at .*gone.mcap"),
    ],
)
def test_what_a_recording_lacks_is_named(
    make: Callable[[Path], Path], kind: type[A2gcError], sentence: str, tmp_path: Path
) -> None:
    bag = make(tmp_path)
    for _ in range(2):
        with pytest.raises(kind, match=sentence):
            read([bag], tmp_path / "cache")


@pytest.mark.parametrize(
    "entries",
    [
        {"bags": ()},
        {"trajectories": ("a", "b")},
        {"metres": -1.0},
        {"longest_side": 0},
        {"field_of_view": 400.0},
    ],
)
def test_entries_without_sense_are_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        BagsSource(**{"bags": ("a.mcap",), **entries})


@pytest.mark.slow
def test_a_model_fine_tuned_on_bags_is_exported_and_makes_a_map(
    two_rounds: list[Path], drive_round: Callable[..., Path], tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    held_out = [drive_round(tmp_path / "map.mcap", seed=5), drive_round(tmp_path / "query.mcap", seed=5, light=0.7)]
    source = {"kind": "bags", "pose_topic": TRUTH, "cache": str(tmp_path / "cache"), "metres": 0.2}
    same = {"kind": "view", "metres": 0.6, "overlap": 0.3, "reach": 1.0}
    values = {
        **tiny_recipe,
        "train": [{**source, "bags": [str(bag) for bag in two_rounds], "same": same}],
        "validation": [
            {
                "name": "another_room",
                "source": {**source, "bags": [str(bag) for bag in held_out]},
                "protocol": {"same": same, "queries": {"session": ["query"]}},
            }
        ],
        "sampling": {"places_per_batch": 2, "images_per_place": 4, "look_alikes": 1, "across": "session"},
        "trainer": {**tiny_recipe["trainer"], "epochs": 2},
    }
    outcome = train(from_mapping(Recipe, values), tmp_path / "run")
    assert len(outcome.after["another_room"].hits) == 36
    assert outcome.after["another_room"].answerable.all()
    commands = CliRunner()
    onnx, place_map = tmp_path / "tuned.onnx", tmp_path / "held_out.a2gc"
    exported = commands.invoke(app, ["export", str(outcome.model), "--out", str(onnx), "--licence", "Apache-2.0"])
    assert exported.exit_code == 0, exported.output
    pixels = load_table(BagsSource((str(held_out[0]),), cache=str(tmp_path / "cache"))).read(3)
    of_checkpoint, of_file = (open_extractor(file).extract_one(pixels) for file in (outcome.model, onnx))
    assert of_file == pytest.approx(of_checkpoint, abs=1e-4)
    built = commands.invoke(app, ["map", "build", str(held_out[0]), "--model", str(onnx), "--out", str(place_map)])
    assert built.exit_code == 0, built.output
    assert place_map.is_file()
