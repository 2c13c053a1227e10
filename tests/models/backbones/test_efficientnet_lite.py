"""EfficientNet-Lite0 against its published table, and its weights as the script folds them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from a2gc_ros.models.backbones.efficientnet_lite import STRIDE_16, STRIDE_32_EXPANDED, EfficientNetLite
from a2gc_ros.models.backbones.inverted_residuals import same_padding

sys.path.insert(0, str(Path(__file__).parents[3] / "training"))

# (blocks, kernel, stride, expansion, inputs, outputs), from the network's publication.
TABLE = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]


def published(generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights under the names of the published file."""
    weights: dict[str, Tensor] = {}

    def layer(conv: str, norm: str, outputs: int, inputs: int, kernel: int) -> None:
        weights[f"{conv}.weight"] = 0.2 * torch.randn(outputs, inputs, kernel, kernel, generator=generator)
        for name in ("weight", "running_var"):
            weights[f"{norm}.{name}"] = 0.5 + torch.rand(outputs, generator=generator)
        for name in ("bias", "running_mean"):
            weights[f"{norm}.{name}"] = 0.1 * torch.randn(outputs, generator=generator)

    layer("_conv_stem", "_bn0", 32, 3, 3)
    number = 0
    for blocks, kernel, _, expansion, inputs, outputs in TABLE:
        for repeat in range(blocks):
            width = (inputs if repeat == 0 else outputs) * expansion
            prefix = f"_blocks.{number}."
            if expansion > 1:
                layer(f"{prefix}_expand_conv", f"{prefix}_bn0", width, width // expansion, 1)
            layer(f"{prefix}_depthwise_conv", f"{prefix}_bn1", width, 1, kernel)
            layer(f"{prefix}_project_conv", f"{prefix}_bn2", outputs, width, 1)
            number += 1
    layer("_conv_head", "_bn1", 1280, 320, 1)
    weights["_fc.weight"], weights["_fc.bias"] = torch.randn(1000, 1280), torch.randn(1000)
    return weights


def peer(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The map before the classifier, written out with its batch norms."""

    def step(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"].shape[-1]
        sides = [same_padding(side, kernel, stride) for side in x.shape[-2:]]
        x = functional.conv2d(
            functional.pad(x, (*sides[1], *sides[0])), weights[f"{conv}.weight"], None, stride, 0, 1, groups
        )
        stats = (weights[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *stats, eps=1e-3)

    x = functional.relu6(step(x, "_conv_stem", "_bn0", 2))
    number = 0
    for blocks, _, first, expansion, inputs, outputs in TABLE:
        for repeat in range(blocks):
            prefix, shortcut = f"_blocks.{number}.", x
            stride = first if repeat == 0 else 1
            if expansion > 1:
                x = functional.relu6(step(x, f"{prefix}_expand_conv", f"{prefix}_bn0"))
            x = functional.relu6(step(x, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride, x.shape[1]))
            x = step(x, f"{prefix}_project_conv", f"{prefix}_bn2")
            if stride == 1 and (repeat > 0 or inputs == outputs):
                x = x + shortcut
            number += 1
    return functional.relu6(step(x, "_conv_head", "_bn1"))


def test_folded_weights_give_what_the_published_ones_give() -> None:
    from fold_efficientnet_lite import fold

    weights = {name: value.double() for name, value in published(torch.Generator().manual_seed(0)).items()}
    folded = fold(weights)
    network = EfficientNetLite(tap=STRIDE_32_EXPANDED).double().eval()
    network.load_state_dict({name: folded.pop(name) for name in network.state_dict()})
    images = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    with torch.inference_mode():
        expected = peer(weights, images)
        torch.testing.assert_close(network(images).map, expected, atol=1e-8, rtol=1e-8)
    assert set(folded) == {"convs.49.weight", "convs.49.bias"}
    assert torch.equal(folded["convs.49.weight"].flatten(1), weights["_fc.weight"])
    assert torch.equal(folded["convs.49.bias"], weights["_fc.bias"])


@pytest.mark.parametrize(("tap", "channels", "stride"), [(STRIDE_16, 112, 16), (STRIDE_32_EXPANDED, 1280, 32)])
def test_a_tap_gives_its_map(tap: int, channels: int, stride: int) -> None:
    network = EfficientNetLite(tap=tap).eval()
    found = network(torch.zeros(1, 3, 64, 96)).map
    assert found.shape == (1, channels, *network.grid(64, 96))
    assert (network.out_channels, network.stride) == (channels, stride)
    assert found.shape[-1] == -(-96 // stride)
