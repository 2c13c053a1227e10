"""A site's statistics in a model's file: what the file then computes, and which files are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_models import TILE, walk, weights

from a2gc_ros.adaptation.onnx_head import AdaptableModel
from a2gc_ros.adaptation.statistics import fit, normalized
from a2gc_ros.errors import ModelError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.backends.catalogue import installed_file_backends
from a2gc_ros.extract.onnx_files.metadata import ADAPTED, read_entry, read_spec


def by_hand(images: list[np.ndarray]) -> np.ndarray:
    """The tiny model's values, float64 (N, D)."""
    batch = np.stack(images).astype(np.float64)
    n, height, width, _ = batch.shape
    tiles = batch.reshape(n, height // TILE, TILE, width // TILE, TILE, 3).mean((2, 4))
    mean, projection = weights()
    return (tiles.transpose(0, 3, 1, 2).reshape(n, -1) - mean) @ projection.astype(np.float64)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("head", ["whitening", "projection"])
def test_the_file_computes_what_the_statistics_say(
    head: str, precision: str, model: Callable[..., Path], tmp_path: Path
) -> None:
    source = model(head, precision)
    images = walk(60)
    adaptable = AdaptableModel(source)
    values = adaptable.open_values(1)(np.stack(images))
    tolerance = {"fp32": 1e-3, "fp16": 0.1}[precision]
    np.testing.assert_allclose(values, by_hand(images), atol=tolerance)
    statistics = fit(values)
    out = tmp_path / "site.onnx"
    written = adaptable.write(statistics, out, {"source": "walk"}, images[:3], values[:3])
    expected = normalized((by_hand(images) - statistics.mean) @ statistics.matrix)
    unadapted = normalized(by_hand(images))
    assert (expected * unadapted).sum(axis=1).max() < 0.99
    for backend in installed_file_backends():
        found = open_extractor(out, backend=backend).run(np.stack(images))
        assert (found * expected).sum(axis=1).min() > 0.9995
    spec, before = read_spec(out), read_spec(source)
    assert (spec.name, spec.precision, spec.licence) == ("tiny@site", precision, before.licence)
    assert spec == written.spec
    assert spec.fingerprint != before.fingerprint
    origin = json.loads(read_entry(out, ADAPTED) or "")
    assert origin == {"model": "tiny", "fingerprint": before.fingerprint, "source": "walk"}
    # The same work for the runtime.
    kinds = [[node.op_type for node in onnx.load(path).graph.node] for path in (source, out)]
    assert kinds[0] == kinds[1]


def test_other_sites_are_other_models(model: Callable[..., Path], tmp_path: Path) -> None:
    prints = set()
    for seed in (0, 1):
        images = walk(40, seed)
        adaptable = AdaptableModel(model())
        values = adaptable.open_values(1)(np.stack(images))
        prints.add(adaptable.write(fit(values), tmp_path / "s.onnx", {}, images[:1], values[:1]).spec.fingerprint)
    assert len(prints) == 2


def test_an_adapted_model_can_be_adapted_again(model: Callable[..., Path], tmp_path: Path) -> None:
    path = model()
    for name in ("a", "b"):
        adaptable = AdaptableModel(path)
        images = walk(40)
        values = adaptable.open_values(1)(np.stack(images))
        path = adaptable.write(fit(values), tmp_path / f"{name}.onnx", {}, images[:1], values[:1]).path
    assert read_spec(path).name == "tiny@a@b"


def test_a_file_that_computes_something_else_is_not_written(model: Callable[..., Path], tmp_path: Path) -> None:
    adaptable = AdaptableModel(model())
    images = walk(40)
    values = adaptable.open_values(1)(np.stack(images))
    with pytest.raises(ModelError, match=r"other descriptors of the adapted model.*was not written"):
        adaptable.write(fit(values), tmp_path / "site.onnx", {}, images[:2], values[2:4])
    assert not (tmp_path / "site.onnx").exists()


@pytest.mark.parametrize(
    ("head", "precision", "words"),
    [
        ("none", "fp32", "tiny has no whitening or projection before its last normalization"),
        ("bare", "fp32", "does not end in a normalization"),
        ("whitening", "int8", "is quantized: adapt the model that it was made of"),
    ],
)
def test_files_that_cannot_be_adapted_are_refused(
    head: str, precision: str, words: str, model: Callable[..., Path]
) -> None:
    with pytest.raises(ModelError, match=words):
        AdaptableModel(model(head, precision))
