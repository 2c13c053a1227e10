"""Small random models, exported once for each worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

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
    return Sample(model, folder / f"{key}.onnx", export_onnx(model, folder / f"{key}.onnx", licence="CC0-1.0"))


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Callable[[str], Sample]:
    """The models by name; each is exported when first asked for."""
    folder = tmp_path_factory.mktemp("models")
    return cache(lambda key: make(key, folder))


@pytest.fixture(params=sorted(MODELS))
def sample(request, samples) -> Sample:
    """Each of the models in turn."""
    return samples(request.param)


@pytest.fixture
def small(samples) -> Sample:
    """One model, where any will do."""
    return samples("dinov2")
