from __future__ import annotations

import pytest
import torch

from a2gc_ros.extract.pytorch.fold import fold
from a2gc_ros.models import build
from a2gc_ros.models.backbones.dinov2 import LayerScale
from a2gc_ros.models.fingerprint import fingerprint

HEAD = {"clusters": 4, "cluster_dim": 8, "token_dim": 16, "hidden": 32}


@pytest.mark.parametrize(
    ("name", "size"),
    [("a2gc-dinov2-vits14", (28, 42)), ("salad-dinov2-vits14-reg", (42, 42)), ("a2gc-dinov2-vitg14", (28, 28))],
)
def test_folding_changes_no_descriptor_and_leaves_the_model_alone(name, size):
    torch.manual_seed(0)
    model = build(name, image_size=size, depth=1 if "vitg" in name else 3, **HEAD).eval()
    for module in model.modules():
        if isinstance(module, LayerScale):
            torch.nn.init.uniform_(module.gamma, -1, 1)
    before = fingerprint(model)
    images = torch.randn(2, 3, *size)
    folded = fold(model)
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), model(images), atol=1e-6, rtol=1e-5)
    assert fingerprint(model) == before
    assert not any(isinstance(module, LayerScale) for module in folded.modules())


def test_a_model_without_transformer_blocks_stays_as_it_is():
    model = build("gem-mobilenetv2", image_size=(64, 64)).eval()
    assert fingerprint(fold(model)) == fingerprint(model)
