"""What is inside a model is the same whether torch shows it or a runtime that runs its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from a2gc_ros.errors import ModelError
from a2gc_ros.extract import inspection
from a2gc_ros.extract.inspection import open_inspector
from a2gc_ros.extract.pytorch.export import export_onnx
from a2gc_ros.models import build, checkpoints

pytestmark = pytest.mark.slow

GRID = (4, 6)
CLUSTERS = 5


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One random model as a checkpoint and as a file with features."""
    folder = tmp_path_factory.mktemp("inspected")
    torch.manual_seed(3)
    model = build("a2gc-mobilenetv2", image_size=(64, 96), clusters=CLUSTERS, projection=32).eval()
    checkpoints.save(model, folder / "model.safetensors")
    export_onnx(model, folder / "model.onnx", licence="CC0-1.0", features=True)
    return folder / "model.safetensors", folder / "model.onnx"


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)


def test_torch_and_file_agree(saved: tuple[Path, Path], image: np.ndarray) -> None:
    found = [open_inspector(path).inspect(image) for path in saved]
    for name in ("image", "descriptor", "features", "plan", "bias"):
        np.testing.assert_allclose(*(getattr(each, name) for each in found), atol=2e-4, err_msg=name)


def test_shapes_and_sums_are_those_promised(saved: tuple[Path, Path], image: np.ndarray) -> None:
    found = open_inspector(saved[1]).inspect(image)
    assert found.image.shape == (64, 96, 3)
    assert found.features.shape[:2] == GRID
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=2), 1, atol=1e-5)
    assert found.plan is not None
    assert found.plan.shape == (CLUSTERS + 1, *GRID)
    np.testing.assert_allclose(found.plan.sum(axis=0), 1, atol=1e-5)
    assert found.bias is not None
    assert found.bias.shape == (CLUSTERS, *GRID)
    assert np.linalg.matrix_rank(found.bias.reshape(CLUSTERS, -1), tol=1e-5) <= 3


def test_both_runtimes_show_the_same(saved: tuple[Path, Path], image: np.ndarray) -> None:
    batch = open_inspector(saved[1]).inspect(image).image[None]
    names, run = inspection.in_onnxruntime(saved[1])
    others, other = inspection.in_openvino(saved[1])
    assert names == others == ["descriptor", "features", "plan", "bias"]
    for name in names:
        np.testing.assert_allclose(run(batch)[name], other(batch)[name], atol=2e-4, err_msg=name)


@pytest.mark.parametrize("name", ["gem-mobilenetv2", "netvlad-resnet18"])
def test_a_model_without_clusters_shows_features_alone(name: str, tmp_path: Path, image: np.ndarray) -> None:
    torch.manual_seed(0)
    model = build(name, image_size=(64, 64))
    checkpoints.save(model, tmp_path / "model.safetensors")
    found = open_inspector(tmp_path / "model.safetensors").inspect(image)
    assert found.plan is None
    assert found.bias is None
    assert found.features.ndim == 3


def test_a_file_without_features_is_refused(samples) -> None:
    with pytest.raises(ModelError, match="--features"):
        open_inspector(samples("mobilenetv2").file)
