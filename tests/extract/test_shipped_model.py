"""The model that ships with the package, against MobileNetV2 + GeM on recordings it was not trained on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from a2gc_ros.extract import open_extractor
from a2gc_ros.images.decode import read_image
from a2gc_ros.shipped import shipped_models

NAME = "a2gc-efficientnet-lite0"
GEM = "gem-mobilenetv2"
HELD_OUT = ("floor9", "floor17", "basement3")

Matrix = NDArray[np.float64]


def test_the_file_is_small_and_its_descriptors_are_unit_vectors() -> None:
    assert shipped_models()[NAME].stat().st_size <= 12e6
    extractor = open_extractor(NAME, threads=1)
    assert extractor.spec.descriptor_dim <= 2048
    images = np.random.default_rng(0).integers(0, 256, (2, 360, 640, 3), np.uint8)
    descriptors = extractor.extract(list(images))
    assert descriptors.shape == (2, extractor.spec.descriptor_dim)
    assert np.linalg.norm(descriptors, axis=1) == pytest.approx(1, abs=1e-4)


@pytest.fixture(scope="module")
def gem_file(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    from a2gc_ros.extract.pytorch.export import export_onnx
    from a2gc_ros.models import build, checkpoints

    model = build(GEM)
    weights = shared_data / "weights" / "mobilenet_v2_imagenet_folded.safetensors"
    checkpoints.load(model, weights, "mobilenetv2")
    path = tmp_path_factory.mktemp("gem") / "gem.onnx"
    export_onnx(model.eval(), path, licence="Apache-2.0")
    return path


def similarities(model: str | Path, paths: list[Path]) -> Matrix:
    extractor = open_extractor(model, threads=1)
    chunks = [paths[at : at + 16] for at in range(0, len(paths), 16)]
    descriptors = np.concatenate([extractor.extract([read_image(path) for path in chunk]) for chunk in chunks])
    return (descriptors @ descriptors.T).astype(np.float64)


def mean_average_precision(similarity: Matrix, right: NDArray[np.bool_], ignored: NDArray[np.bool_]) -> float:
    asked = right.any(axis=1)
    order = np.argsort(-np.where(ignored, -np.inf, similarity)[asked], axis=1)
    hits = np.take_along_axis(right[asked], order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(np.mean((precision * hits).sum(axis=1) / hits.sum(axis=1)))


def recall_at_1(similarity: Matrix, right: NDArray[np.bool_], ignored: NDArray[np.bool_]) -> float:
    asked = right.any(axis=1)
    best = np.where(ignored, -np.inf, similarity)[asked].argmax(axis=1)
    return float(right[asked][np.arange(asked.sum()), best].mean())


def recall_at_5(similarity: Matrix, right: NDArray[np.bool_], ignored: NDArray[np.bool_]) -> float:
    asked = right.any(axis=1)
    best = np.argsort(-np.where(ignored, -np.inf, similarity)[asked], axis=1)[:, :5]
    return float(np.take_along_axis(right[asked], best, axis=1).any(axis=1).mean())


@pytest.mark.slow
def test_it_is_no_worse_than_gem_outdoors(shared_data: Path, gem_file: Path) -> None:
    run = shared_data / "robot_run"
    with (run / "poses.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    paths = [run / "images" / row["image"] for row in rows]
    places = np.array([[float(row["x_m"]), float(row["y_m"])] for row in rows])
    order = np.arange(len(rows))
    beside = np.abs(order[:, None] - order) < 2
    near = (np.linalg.norm(places[:, None] - places[None], axis=-1) <= 10) & ~beside
    ours, gem = similarities(NAME, paths), similarities(gem_file, paths)
    assert recall_at_1(ours, near, beside) >= recall_at_1(gem, near, beside)
    assert mean_average_precision(ours, near, beside) >= mean_average_precision(gem, near, beside)


@pytest.mark.slow
def test_it_ranks_floors_it_has_not_seen_better_than_gem(shared_data: Path, gem_file: Path) -> None:
    tower = shared_data / "ie_tower"
    with (tower / "images.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    floor, clip = (np.array([row[column] for row in rows]) for column in ("floor", "clip"))
    second = np.array([float(row["second"]) for row in rows])
    asked = np.isin(floor, HELD_OUT)
    same_clip = clip[asked, None] == clip
    apart = np.abs(second[asked, None] - second)
    within, beside = same_clip & (apart > 1) & (apart <= 3), same_clip & (apart <= 1)
    elsewhere = (floor[asked, None] == floor) & ~same_clip
    paths = [tower / row["path"] for row in rows]
    ours, gem = (similarities(model, paths)[asked] for model in (NAME, gem_file))
    assert recall_at_5(ours, within, beside) >= recall_at_5(gem, within, beside) + 0.15
    for right, ignored, margin in ((within, beside, 0.08), (elsewhere, same_clip, 0.08)):
        expected = mean_average_precision(gem, right, ignored) + margin
        assert mean_average_precision(ours, right, ignored) >= expected
