"""The verb ``a2gc bag``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import BagError

runner = CliRunner()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.jpg"), np.full((24, 32, 3), 60 * i, np.uint8))
    (tmp_path / "poses.csv").write_text("image,x_m,y_m,yaw_rad\n0.jpg,0,0,0\n1.jpg,1,0,0\n2.jpg,2,0,0\n")
    return folder


def run(*arguments: object) -> str:
    result = runner.invoke(app, ["bag", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_folder_becomes_a_recording_and_info_tells_what_is_in_it(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.mcap"
    said = run("from-images", photos, "--poses", tmp_path / "poses.csv", "--rate", 2, "--out", out)
    assert said == f"{out}: 3 images, 3 poses, 1.0 s\n"
    summary = json.loads(run("info", out, "--json"))
    assert summary["image_topic"] == "/camera/image_raw/compressed"
    assert summary["pose_topic"] == "/odom"
    assert summary["info_topic"] is None
    assert summary["duration_s"] == 1.0
    assert summary["to_choose"] == []
    assert {topic["name"]: topic["count"] for topic in summary["topics"]} == {
        "/camera/image_raw/compressed": 3,
        "/odom": 3,
    }
    table = run("info", out)
    assert "1.0 s" in table
    assert "images" in table
    assert "poses" in table


def test_options_reach_the_recording(photos: Path, tmp_path: Path) -> None:
    for options, topic in (
        (["--raw", "--topic", "/front/image"], "/front/image"),
        (["--jpeg-quality", "50", "--frame-id", "lens"], "/camera/image_raw/compressed"),
    ):
        out = tmp_path / f"{len(options)}.bag"
        run("from-images", photos, "--rate", 1, "--out", out, *options)
        assert json.loads(run("info", out, "--json"))["image_topic"] == topic


def test_damaged_images_are_told(photos: Path, tmp_path: Path) -> None:
    (photos / "1.jpg").write_bytes(b"\xff\xd8\xff")
    result = runner.invoke(app, ["bag", "from-images", str(photos), "--rate", "1", "--out", str(tmp_path / "run.mcap")])
    assert result.exit_code == 0
    assert "2 images" in result.stdout
    assert "1.jpg" in result.stderr


def test_mistakes_raise_the_sentence_that_main_prints(photos: Path, tmp_path: Path) -> None:
    for arguments, sentence in (
        (["info", tmp_path / "missing.mcap"], "there is no recording"),
        (["from-images", photos, "--out", tmp_path / "run.mcap"], "--rate"),
        (["from-images", photos, "--rate", 1, "--out", tmp_path / "run.zip"], "must end in"),
    ):
        with pytest.raises(BagError, match=sentence):
            runner.invoke(app, ["bag", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize("command", ["info", "from-images"])
def test_help_gives_examples(command: str) -> None:
    assert f"a2gc bag {command}" in run(command, "--help")
