"""ResNets against transformers' implementation with the same random weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbones.resnet import ResNet

CONFIGS = {
    "resnet18": {"layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512]},
    "resnet50": {"layer_type": "bottleneck", "depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048]},
    "resnet101": {"layer_type": "bottleneck", "depths": [3, 4, 23, 3], "hidden_sizes": [256, 512, 1024, 2048]},
}


def randomized(model: ResNet) -> ResNet:
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, center, spread in (
                (module.weight.data, 0.5, 0.1),
                (module.bias.data, 0.0, 0.2),
                (module.running_mean, 0.0, 0.2),
                (module.running_var, 1.0, 0.1),
            ):
                assert tensor is not None
                tensor.copy_(center + spread * torch.randn(tensor.shape, generator=generator).clamp(-2, 2))
    return model.eval()


def their_name(name: str) -> str:
    """torchvision's name of a tensor as transformers names it."""
    kinds = {"conv": "convolution", "bn": "normalization"}
    parts = name.split(".")
    if parts[0] in ("conv1", "bn1"):
        return f"embedder.embedder.{kinds[parts[0][:-1]]}.{parts[1]}"
    stage, block = int(parts[0].removeprefix("layer")) - 1, parts[1]
    prefix = f"encoder.stages.{stage}.layers.{block}"
    if parts[2] == "downsample":
        return f"{prefix}.shortcut.{('convolution', 'normalization')[int(parts[3])]}.{parts[4]}"
    kind, index = parts[2][:-1], int(parts[2][-1]) - 1
    return f"{prefix}.layer.{index}.{kinds[kind]}.{parts[3]}"


@torch.no_grad()
@pytest.mark.parametrize(
    "variant", ["resnet18", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "resnet101"))]
)
def test_equals_transformers_after_every_stage(variant: str) -> None:
    # Here, because it takes seconds and every process of the tests reads this file.
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    whole = randomized(ResNet(variant=variant, last_stage=4))
    peer = ResNetModel(ResNetConfig(**CONFIGS[variant])).eval()
    peer.load_state_dict({their_name(name): tensor for name, tensor in whole.state_dict().items()}, strict=True)
    images = torch.randn(2, 3, 65, 96, generator=torch.Generator().manual_seed(1))
    expected = peer(images, output_hidden_states=True).hidden_states[1:]
    for last_stage in (3,) if variant == "resnet101" else (1, 2, 3, 4):
        model = ResNet(variant=variant, last_stage=last_stage).eval()
        model.load_state_dict({name: whole.state_dict()[name] for name in model.state_dict()})
        features = model(images)
        wanted = expected[last_stage - 1]
        torch.testing.assert_close(features.map, wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features.token, wanted.mean(dim=(2, 3)), atol=1e-4, rtol=1e-4)
        assert model.grid(65, 96) == tuple(wanted.shape[2:])
        assert model.out_channels == wanted.shape[1]


@pytest.mark.parametrize(("variant", "expected"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
def test_has_the_published_number_of_weights(variant: str, expected: int) -> None:
    """Less the classifier, which is not here."""
    model = ResNet(variant=variant, last_stage=4)
    classifier = (model.out_channels + 1) * 1000
    assert sum(weight.numel() for weight in model.parameters()) + classifier == expected


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"variant": "resnet34"}, "choose one of resnet18"), ({"last_stage": 5}, "last_stage=5 names none")],
)
def test_what_does_not_exist_is_refused(options: dict[str, str | int], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        ResNet(**options)  # type: ignore[arg-type]


class TestFreezing:
    def test_only_the_last_blocks_train(self) -> None:
        model = ResNet(variant="resnet18", last_stage=3)
        model.set_trainable_blocks(1)
        trainable = {name for name, weight in model.named_parameters() if weight.requires_grad}
        assert trainable
        assert all(name.startswith("layer3.1.") for name in trainable)

    def test_frozen_batch_norms_keep_their_statistics(self) -> None:
        model = randomized(ResNet(variant="resnet18", last_stage=2))
        model.set_trainable_blocks(1)
        model.train()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model(torch.randn(2, 3, 64, 64))
        changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed
        assert all(name.startswith("layer2.1.") for name in changed)

    def test_thawing_undoes_it(self) -> None:
        model = ResNet(variant="resnet18", last_stage=1)
        model.set_trainable_blocks(0)
        assert not any(weight.requires_grad for weight in model.parameters())
        model.set_trainable_blocks(None)
        assert all(weight.requires_grad for weight in model.parameters())
        assert all(module.training for module in model.train().modules())

    @pytest.mark.parametrize("count", [-1, 4])
    def test_more_blocks_than_there_are_is_refused(self, count: int) -> None:
        with pytest.raises(ModelError, match=f"has 3 blocks, so {count} trainable"):
            ResNet(variant="resnet18", last_stage=1).set_trainable_blocks(count)
