"""The pictures' command: what it writes, what it says, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError
from a2gc_ros.models import build, checkpoints


def run(*arguments: object):
    return CliRunner().invoke(app, ["viz", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("viz") / "model.safetensors"
    checkpoints.save(build("a2gc-mobilenetv2", image_size=(64, 96), clusters=4, projection=16), path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = []
    for name in ("a.png", "b.png"):
        values = np.random.default_rng(len(name) + ord(name[0])).integers(0, 256, (50, 70, 3), np.uint8)
        paths.append(tmp_path / name)
        cv2.imwrite(str(paths[-1]), cv2.resize(values, (140, 100)))
    return paths


def test_match_writes_its_pictures_and_numbers(model: Path, images: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    shown = run("match", "--query", images[0], "--ref", images[1], "--model", model, "--threshold", "0", "--out", out)
    assert shown.exit_code == 0
    stats = json.loads((out / "matching_stats.json").read_text())
    assert stats["patches"] == [24, 24]
    assert 0 < stats["matches"] <= 24
    assert stats["best_match_similarity"] >= stats["mean_match_similarity"] >= 0
    assert all(0 <= share <= 1 for share in stats["dustbin_share"])
    assert f"{stats['matches']} patches match" in shown.stdout
    for name in ("feature_matching_lines", "similarity_matrix", "feature_heatmap_comparison"):
        assert cv2.imread(str(out / f"{name}.png")) is not None


def test_an_image_matches_itself(model: Path, images: list[Path], tmp_path: Path) -> None:
    run("match", "--query", images[0], "--ref", images[0], "--model", model, "--out", tmp_path)
    stats = json.loads((tmp_path / "matching_stats.json").read_text())
    assert stats["descriptor_similarity"] == pytest.approx(1)
    assert stats["mean_match_similarity"] == pytest.approx(1)


def test_nothing_in_common_is_said_and_not_an_error(model: Path, images: list[Path], tmp_path: Path) -> None:
    arguments = ("--query", images[0], "--ref", images[1], "--model", model, "--threshold", "1", "--out", tmp_path)
    assert run("match", *arguments).exit_code == 0
    stats = json.loads((tmp_path / "matching_stats.json").read_text())
    assert (stats["matches"], stats["mean_match_similarity"]) == (0, None)


@pytest.mark.slow
def test_features_writes_what_the_model_has(model: Path, images: list[Path], tmp_path: Path) -> None:
    run("features", "--image", images[0], "--model", model, "--out", tmp_path / "all")
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == ["clusters.png", "features.png", "geometry.png"]
    plain = tmp_path / "gem.safetensors"
    checkpoints.save(build("gem-resnet18", image_size=(64, 64)), plain)
    run("features", "--image", images[0], "--model", plain, "--out", tmp_path / "plain")
    assert [p.name for p in (tmp_path / "plain").iterdir()] == ["features.png"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("match", "--query", "none.png", "--ref", "none.png"), "none.png"),
        (("features", "--image", "none.png"), "none.png"),
    ],
)
def test_a_missing_image_is_named(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(A2gcError, match=sentence):
        run(*arguments, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def benchmark(tmp_path: Path) -> tuple[object, ...]:
    """Options for a miniature Pitts30k and a model that needs no training."""
    from miniature import utm_folders
    from thumbnail_model import write_thumbnail_model

    utm_folders(tmp_path / "data", "pitts30k/images/test/database", "pitts30k/images/test/queries")
    write_thumbnail_model(tmp_path / "thumbnail.onnx")
    where = ("--data-root", tmp_path / "data", "--store", tmp_path / "store")
    return ("--dataset", "pitts30k_test", "--model", tmp_path / "thumbnail.onnx", *where)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "queries"), [((), 4), (("--count", 2), 2), (("--wrong-only",), 1)])
def test_retrieval_shows_queries_with_their_answers(
    benchmark: tuple[object, ...], options: tuple[object, ...], queries: int, tmp_path: Path
) -> None:
    shown = run("retrieval", *benchmark, *options, "--out", tmp_path / "pictures")
    assert f"recall@1 0.500; {queries} queries on 1 pictures" in shown.stdout
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["index.html", "retrieval_1.png"]
    page = (tmp_path / "pictures" / "index.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    curve = data["views"][0]["curves"][0]
    assert all(low <= value <= high for low, value, high in zip(curve["low"], curve["y"], curve["high"], strict=True))
    assert len(data["views"][1]["rows"]) > 0
    assert None not in data["album"]


def test_retrieval_needs_something_to_show(tmp_path: Path) -> None:
    with pytest.raises(A2gcError, match="name a data set"):
        run("retrieval", "--out", tmp_path)
