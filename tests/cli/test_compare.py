from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros.bags import RecordingWriter
from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, DatasetError
from a2gc_ros.geometry import pose_from_xy_yaw


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """One that sees the whole picture, and one that sees a few dots of it."""
    from thumbnail_model import write_thumbnail_model

    folder = tmp_path_factory.mktemp("models")
    write_thumbnail_model(folder / "fine.onnx")
    write_thumbnail_model(folder / "coarse.onnx", height=1, width=2)
    return str(folder / "fine.onnx"), str(folder / "coarse.onnx")


@pytest.fixture(scope="module")
def run_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight places, seen again a minute later through noise that hides them from a coarse model."""
    path = tmp_path_factory.mktemp("bag") / "run.mcap"
    write_run(path, [*range(8), *range(8)])
    return path


def write_run(path: Path, places: list[int]) -> None:
    rng = np.random.default_rng(0)
    with RecordingWriter(path) as writer:
        for number, place in enumerate(places):
            stamp_ns = 1_700_000_000_000_000_000 + number * 8_000_000_000
            image = np.random.default_rng(place).integers(0, 256, (48, 64, 3)).astype(np.int64)
            image += (number >= 8) * rng.integers(-60, 61, image.shape)
            writer.add_pose(stamp_ns, pose_from_xy_yaw(30.0 * place, 0, 0))
            writer.add_image(stamp_ns, image.clip(0, 255).astype(np.uint8))


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.slow
def test_a_run_with_itself(run_twice: Path, models: tuple[str, str], tmp_path: Path) -> None:
    options = ("--models", *models, "--store", tmp_path / "store", "--out", tmp_path / "pictures", "--count", "5")
    told = json.loads(run("compare", run_twice, *options, "--json").stdout)
    fine, coarse = told["models"]
    assert [entry["row"].split()[0] for entry in (fine, coarse)] == ["fine.onnx", "coarse.onnx"]
    # The first round has nothing to recognize and does not count.
    assert fine["revisits"] == coarse["revisits"] == 8
    assert fine["recall"]["1"] == 1.0
    assert coarse["recall"]["1"] < 1.0
    assert fine["margin"] is None
    assert coarse["margin"][0] == pytest.approx(coarse["recall"]["1"] - 1.0)
    assert coarse["margin"][1] <= coarse["margin"][0] <= coarse["margin"][2]
    assert all(entry["image_ms"] > 0 and entry["memory_bytes"] > 0 for entry in (fine, coarse))
    assert told["pictures"] == [str(tmp_path / "pictures" / "differ_1.png")]
    page = (tmp_path / "pictures" / "index.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    curves = data["views"][0]["curves"]
    assert [curve["y"] for curve in curves] == [list(entry["recall"].values()) for entry in told["models"]]
    assert [cell["what"] for cell in data["views"][1]["rows"][0][1:3]] == [entry["row"] for entry in told["models"]]
    assert Path(told["pictures"][0]).read_bytes().startswith(b"\x89PNG")
    table = run("compare", run_twice, "--models", ",".join(models), "--store", tmp_path / "store").stdout
    assert "8 of 16 images have something to recognize" in table
    assert "MB of" in table
    assert table.count("95 % interval") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--models", "a.onnx"), "two models or more"),
        (("--models", "a", "b", "--radius", "5"), "a folder of photographs"),
    ],
)
def test_mistakes_are_said(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError, match=words):
        run("compare", tmp_path / "photos", *options)


def test_a_run_that_never_comes_back_is_no_comparison(run_twice: Path, models: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="anything to be searched in"):
        run("compare", run_twice, "--models", *models, "--spacing", "1000", "--store", tmp_path)
    write_run(tmp_path / "straight.mcap", list(range(6)))
    with pytest.raises(DatasetError, match="is seen twice"):
        run("compare", tmp_path / "straight.mcap", "--models", *models, "--store", tmp_path)
