"""Small random models, each exported once for all processes of the tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from a2gc_ros.extract.onnx_files.metadata import read_spec
from a2gc_ros.extract.pytorch.export import Exported, export_onnx
from a2gc_ros.models import PlaceModel, build

# Name, input size, options: one of every backbone, every aggregator, and a size that is not square.
MODELS = {
    "dinov2": ("a2gc-dinov2-vits14", (56, 70), {"depth": 2, "clusters": 8, "cluster_dim": 16, "token_dim": 32}),
    "mobilenetv2": ("a2gc-mobilenetv2", (64, 96), {}),
    "resnet": ("netvlad-resnet18", (64, 64), {}),
}


@dataclass(frozen=True)
class Sample:
    """A random model in PyTorch and its file."""

    model: PlaceModel
    file: Path
    exported: Exported

    @torch.inference_mode()
    def expected(self, batch: np.ndarray) -> np.ndarray:
        """PyTorch's descriptors of prepared images."""
        return self.model(self.model.normalize(torch.from_numpy(batch))).numpy()

    def batch(self, count: int, seed: int = 0) -> np.ndarray:
        """Random prepared images."""
        size = self.model.preprocessing.height, self.model.preprocessing.width
        return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)


def make(key: str, folder: Path) -> Sample:
    name, size, options = MODELS[key]
    torch.manual_seed(0)
    model = build(name, image_size=size, **options).eval()
    file, cosines = folder / f"{key}.onnx", folder / f"{key}.json"
    with FileLock(folder / f"{key}.lock"):
        if not cosines.exists():
            exported = export_onnx(model, file, licence="CC0-1.0")
            assert exported.spec == read_spec(file)
            cosines.write_text(json.dumps(exported.cosines), encoding="utf-8")
    return Sample(model, file, Exported(file, read_spec(file), file.stat().st_size, json.loads(cosines.read_text())))


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Callable[[str], Sample]:
    """The models by name; each is exported when first asked for."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "exported_samples"
    folder.mkdir(exist_ok=True)
    return cache(lambda key: make(key, folder))


@pytest.fixture(params=["dinov2", *(pytest.param(key, marks=pytest.mark.slow) for key in ("mobilenetv2", "resnet"))])
def sample(request, samples) -> Sample:
    """Each of the models in turn."""
    return samples(request.param)


@pytest.fixture
def small(samples) -> Sample:
    """One model, where any will do."""
    return samples("dinov2")
