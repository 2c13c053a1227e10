"""DINOv2 against transformers' implementation with the same random weights, and its position embedding against NumPy.

The giant is compared at its full width and with its gated feed-forward, but with two blocks instead of forty: all forty
are alike, and 1.1 billion weights would not fit a test.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbones.dinov2 import SIZES, DinoV2

Array = NDArray[np.float64]
ATTENTION_BEFORE_5 = ("attention.query", "attention.key", "attention.value", "output.dense")
ATTENTION_FROM_5 = ("q_proj", "k_proj", "v_proj", "o_proj")
SIZES_SEEN = [(224, 224), (322, 322), (224, 322)]


def randomized(model: DinoV2, seed: int = 0) -> DinoV2:
    """Random everywhere, so that no bias, scale or token hides behind a zero or a one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("gamma") or ("norm" in name and name.endswith("weight")):
                weight.copy_(1 + 0.1 * noise)
            else:
                weight.copy_(noise * (0.5 if "pos_embed" in name else 0.03))
    return model.eval()


def peer_of(model: DinoV2, variant: str) -> torch.nn.Module:
    """The independent implementation, with our weights under its names."""
    # Here, because it takes seconds and every process of the tests reads this file.
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    size = SIZES[variant]
    options = {
        "hidden_size": size.dim,
        "num_hidden_layers": len(model.blocks),
        "num_attention_heads": size.heads,
        "patch_size": 14,
        "image_size": 518,
        "use_swiglu_ffn": size.swiglu,
        "layer_norm_eps": 1e-6,
    }
    peer: torch.nn.Module
    if model.registers:
        peer = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(num_register_tokens=4, **options))
    else:
        peer = Dinov2Model(Dinov2Config(**options))
    ours = model.state_dict()
    theirs = {
        "embeddings.cls_token": ours["cls_token"],
        "embeddings.mask_token": ours["mask_token"],
        "embeddings.position_embeddings": ours["pos_embed"],
        "embeddings.patch_embeddings.projection.weight": ours["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": ours["patch_embed.proj.bias"],
        "layernorm.weight": ours["norm.weight"],
        "layernorm.bias": ours["norm.bias"],
    }
    if model.registers:
        theirs["embeddings.register_tokens"] = ours["register_tokens"]
    # transformers 5 renamed the parts of its attention and split its gated feed-forward.
    recent = any("q_proj" in name for name in peer.state_dict())
    attention = ATTENTION_FROM_5 if recent else ATTENTION_BEFORE_5
    for i in range(len(model.blocks)):
        here, there = f"blocks.{i}.", f"encoder.layer.{i}."
        for kind in ("weight", "bias"):
            parts = ours[f"{here}attn.qkv.{kind}"].chunk(3)
            for name, part in zip(attention, (*parts, ours[f"{here}attn.proj.{kind}"]), strict=True):
                theirs[f"{there}attention.{name}.{kind}"] = part
            for norm in ("norm1", "norm2"):
                theirs[f"{there}{norm}.{kind}"] = ours[f"{here}{norm}.{kind}"]
            for name, part in feed_forward(ours, f"{here}mlp.", kind, gated=size.swiglu, recent=recent).items():
                theirs[f"{there}mlp.{name}.{kind}"] = part
        theirs[f"{there}layer_scale1.lambda1"] = ours[f"{here}ls1.gamma"]
        theirs[f"{there}layer_scale2.lambda1"] = ours[f"{here}ls2.gamma"]
    peer.load_state_dict(theirs, strict=True)
    return peer.eval()


def feed_forward(ours: dict[str, Tensor], prefix: str, kind: str, *, gated: bool, recent: bool) -> dict[str, Tensor]:
    if not gated:
        return {name: ours[f"{prefix}{name}.{kind}"] for name in ("fc1", "fc2")}
    both, last = ours[f"{prefix}w12.{kind}"], ours[f"{prefix}w3.{kind}"]
    if not recent:
        return {"weights_in": both, "weights_out": last}
    gate, value = both.chunk(2)
    return {"gate_proj": gate, "up_proj": value, "down_proj": last}


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75."""
    a, d = -0.75, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    if d < 2:
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return 0.0


def interpolation_matrix(outputs: int, scale: float, inputs: int = 37) -> Array:
    """Bicubic weights (outputs, inputs), half-pixel centers, clamped borders."""
    matrix = np.zeros((outputs, inputs))
    for output in range(outputs):
        center = (output + 0.5) / scale - 0.5
        base = math.floor(center)
        for tap in range(base - 1, base + 3):
            matrix[output, min(max(tap, 0), inputs - 1)] += cubic(center - tap)
    return matrix


def naive_positions(pos_embed: Tensor, rows: int, columns: int) -> Array:
    grid = pos_embed[0, 1:].double().numpy().reshape(37, 37, -1)
    vertical = interpolation_matrix(rows, (rows + 0.1) / 37)
    horizontal = interpolation_matrix(columns, (columns + 0.1) / 37)
    patches = np.einsum("yi,xj,ijc->yxc", vertical, horizontal, grid).reshape(rows * columns, -1)
    return np.concatenate([pos_embed[0, :1].double().numpy(), patches])


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (23, 23), (16, 23), (1, 40), (36, 37)])
def test_positions_equal_a_bicubic_written_out(rows: int, columns: int) -> None:
    model = randomized(DinoV2(variant="vits14", depth=0))
    found = model.interpolate_positions(rows, columns)[0].detach().numpy()
    np.testing.assert_allclose(found, naive_positions(model.pos_embed.detach(), rows, columns), atol=1e-5)


def test_the_trained_grid_is_not_interpolated() -> None:
    model = randomized(DinoV2(variant="vits14", depth=0))
    assert model.interpolate_positions(37, 37) is model.pos_embed


@pytest.fixture(
    scope="module", params=[("vits14", 12), pytest.param(("vitg14", 2), marks=pytest.mark.slow)], ids=["small", "giant"]
)
def pair(request: pytest.FixtureRequest) -> tuple[DinoV2, torch.nn.Module]:
    variant, depth = request.param
    model = randomized(DinoV2(variant=variant, depth=depth))
    return model, peer_of(model, variant)


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), SIZES_SEEN)
def test_equals_transformers(
    pair: tuple[DinoV2, torch.nn.Module], height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through every layer; the hub's position embedding, which differs from transformers', is put in from NumPy."""
    model, peer = pair
    positions = torch.from_numpy(naive_positions(model.pos_embed.detach(), height // 14, width // 14)).float()[None]
    monkeypatch.setattr(peer.embeddings, "interpolate_pos_encoding", lambda *_: positions)
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    assert_same(model, peer, images)


@pytest.mark.parametrize(("height", "width"), SIZES_SEEN)
def test_registers_equal_transformers(height: int, width: int) -> None:
    """The variant with registers interpolates as transformers does, so nothing is put in."""
    model = randomized(DinoV2(variant="vits14", registers=True, depth=2))
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    assert_same(model, peer_of(model, "vits14"), images)


@torch.no_grad()
def assert_same(model: DinoV2, peer: torch.nn.Module, images: Tensor) -> None:
    features = model(images)
    theirs = peer(pixel_values=images).last_hidden_state
    rows, columns = images.shape[2] // 14, images.shape[3] // 14
    assert features.map.shape == (len(images), model.out_channels, rows, columns)
    patches = features.map.flatten(2).transpose(1, 2)
    assert (features.token - theirs[:, 0]).abs().max() < 1e-4
    assert (patches - theirs[:, 1 + model.registers :]).abs().max() < 1e-4
    assert theirs.abs().mean() > 0.1


@pytest.mark.parametrize("registers", [False, True])
def test_baking_changes_nothing_and_training_discards_it(registers: bool) -> None:
    model = randomized(DinoV2(variant="vits14", depth=1, registers=registers))
    images = torch.randn(1, 3, 56, 84)
    with torch.no_grad():
        before = model(images)
        names = set(model.state_dict())
        model.bake(56, 84)
        assert set(model.state_dict()) == names
        assert torch.equal(model(images).map, before.map)
        model.train()
        model.pos_embed.zero_()
        assert not torch.allclose(model.eval()(images).map, before.map)


@pytest.mark.parametrize("baked", [True, False])
def test_only_an_unbaked_graph_interpolates(baked: bool) -> None:
    model = randomized(DinoV2(variant="vits14", depth=1))
    if baked:
        model.bake(56, 84)
    program = torch.export.export(model, (torch.randn(2, 3, 56, 84),))
    operations = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert any("scaled_dot_product_attention" in operation for operation in operations)
    assert any("bicubic" in operation for operation in operations) is not baked


def test_loading_discards_baked_positions() -> None:
    model = randomized(DinoV2(variant="vits14", depth=1))
    other = randomized(DinoV2(variant="vits14", depth=1), seed=9)
    images = torch.randn(1, 3, 56, 56)
    model.bake(56, 56)
    model.load_state_dict(other.state_dict())
    with torch.no_grad():
        assert torch.equal(model(images).map, other(images).map)


@pytest.mark.parametrize(
    ("height", "width", "complaint"),
    [
        (230, 224, "height 230 is not: use 224 or 238"),
        (224, 321, "width 321 is not: use 308 or 322"),
        (7, 224, "height 7 is not: use 14 or 28"),
        (0, 224, "height 0 is not: use 14 or 28"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(height: int, width: int, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        DinoV2(variant="vits14", depth=0).grid(height, width)


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(ModelError, match="choose one of vits14, vitb14, vitl14, vitg14"):
        DinoV2(variant="vith14")


PUBLISHED_PARAMETERS = {"vits14": 22_056_576, "vitb14": 86_580_480, "vitl14": 304_368_640, "vitg14": 1_136_480_768}


@pytest.mark.parametrize("variant", SIZES)
def test_has_the_published_number_of_weights(variant: str) -> None:
    with torch.device("meta"):
        model = DinoV2(variant=variant)
    assert sum(weight.numel() for weight in model.parameters()) == PUBLISHED_PARAMETERS[variant]


def test_has_the_published_names() -> None:
    with torch.device("meta"):
        plain, giant = DinoV2(variant="vits14", depth=1, registers=True), DinoV2(variant="vitg14", depth=1)
    common = {
        "cls_token": (1, 1, 384),
        "pos_embed": (1, 1370, 384),
        "register_tokens": (1, 4, 384),
        "mask_token": (1, 384),
        "patch_embed.proj.weight": (384, 3, 14, 14),
        "patch_embed.proj.bias": (384,),
        "blocks.0.norm1.weight": (384,),
        "blocks.0.norm1.bias": (384,),
        "blocks.0.attn.qkv.weight": (1152, 384),
        "blocks.0.attn.qkv.bias": (1152,),
        "blocks.0.attn.proj.weight": (384, 384),
        "blocks.0.attn.proj.bias": (384,),
        "blocks.0.ls1.gamma": (384,),
        "blocks.0.norm2.weight": (384,),
        "blocks.0.norm2.bias": (384,),
        "blocks.0.mlp.fc1.weight": (1536, 384),
        "blocks.0.mlp.fc1.bias": (1536,),
        "blocks.0.mlp.fc2.weight": (384, 1536),
        "blocks.0.mlp.fc2.bias": (384,),
        "blocks.0.ls2.gamma": (384,),
        "norm.weight": (384,),
        "norm.bias": (384,),
    }
    assert {name: tuple(tensor.shape) for name, tensor in plain.state_dict().items()} == common
    gated = {name: tuple(tensor.shape) for name, tensor in giant.state_dict().items() if ".mlp." in name}
    assert gated == {
        "blocks.0.mlp.w12.weight": (8192, 1536),
        "blocks.0.mlp.w12.bias": (8192,),
        "blocks.0.mlp.w3.weight": (1536, 4096),
        "blocks.0.mlp.w3.bias": (1536,),
    }


def test_only_the_last_blocks_and_the_norm_train() -> None:
    model = DinoV2(variant="vits14", depth=4)
    model.set_trainable_blocks(2)
    trainable = {name for name, weight in model.named_parameters() if weight.requires_grad}
    expected = {name for name, _ in model.named_parameters() if name.startswith(("blocks.2.", "blocks.3.", "norm."))}
    assert trainable == expected


def test_the_mask_token_never_trains() -> None:
    model = DinoV2(variant="vits14", depth=1)
    model.set_trainable_blocks(None)
    assert {name for name, weight in model.named_parameters() if not weight.requires_grad} == {"mask_token"}
