"""The same function with less to compute: constants that training keeps apart are multiplied together for an export."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from a2gc_ros.models.backbones.dinov2 import Attention, Block, LayerScale, Mlp
from a2gc_ros.models.place_model import PlaceModel


class PlainAttention(nn.Module):
    """Self-attention as the few operations that runtimes recognize and fuse, its scale inside the projections.

    Query, key and value have a projection each: a runtime would copy them out of the product of one for all three, and
    for a quantized one scale them again afterwards.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.proj = attention.proj
        # Half of the scale 1/√(dim of a head) for the query, half for the key.
        factor = (attention.qkv.in_features // self.heads) ** -0.25
        self.query, self.key, self.value = (
            _part(attention.qkv, i, scale) for i, scale in enumerate((factor, factor, 1.0))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) to tokens (B, n, d)."""
        _, count, dim = x.shape
        query, key, value = (
            project(x).reshape(-1, count, self.heads, dim // self.heads).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        mixed = torch.softmax(query @ key.transpose(-2, -1), dim=-1) @ value
        return self.proj(mixed.transpose(1, 2).reshape(-1, count, dim))


@torch.no_grad()
def _part(packed: nn.Linear, index: int, scale: float) -> nn.Linear:
    """One of the layers that are stacked in a packed one, its outputs scaled."""
    dim = packed.in_features
    layer = nn.Linear(dim, dim, dtype=packed.weight.dtype)
    layer.weight.copy_(packed.weight[index * dim : (index + 1) * dim] * scale)
    layer.bias.copy_(packed.bias[index * dim : (index + 1) * dim] * scale)
    return layer


@torch.no_grad()
def fold(model: PlaceModel) -> PlaceModel:
    """A copy of a model for export: in every transformer block the layer scales and the attention's scale are folded.

    Its state dict and so its fingerprint are no longer the model's.
    """
    folded = copy.deepcopy(model)
    for block in folded.modules():
        if isinstance(block, Block):
            _fold_scale(block.ls1, block.attn.proj)
            _fold_scale(block.ls2, block.mlp.fc2 if isinstance(block.mlp, Mlp) else block.mlp.w3)
            block.add_module("attn", PlainAttention(block.attn))
            block.add_module("ls1", nn.Identity())
            block.add_module("ls2", nn.Identity())
    return folded


def _fold_scale(scale: LayerScale, layer: nn.Linear) -> None:
    layer.weight.mul_(scale.gamma[:, None])
    layer.bias.mul_(scale.gamma)
