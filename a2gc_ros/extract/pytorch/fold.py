"""The same function with less to compute: constants that training keeps apart are multiplied together for an export."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from a2gc_ros.models.dinov2 import Attention, Block, LayerScale, Mlp, SwiGlu
from a2gc_ros.models.place_model import PlaceModel


class PlainAttention(nn.Module):
    """Self-attention as the few operations that runtimes recognise and fuse, its scale inside the projection.

    Args:
        attention: The attention it replaces.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.qkv = copy.deepcopy(attention.qkv)
        self.proj = attention.proj
        dim = attention.qkv.in_features
        # Half of the scale 1/√(dim of a head) for the query, half for the key.
        factor = (dim // self.heads) ** -0.25
        with torch.no_grad():
            self.qkv.weight[: 2 * dim].mul_(factor)
            self.qkv.bias[: 2 * dim].mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) to tokens (B, n, d)."""
        _, count, dim = x.shape
        query, key, value = (
            part.reshape(-1, count, self.heads, dim // self.heads).transpose(1, 2)
            for part in self.qkv(x).split(dim, dim=-1)
        )
        mixed = torch.softmax(query @ key.transpose(-2, -1), dim=-1) @ value
        return self.proj(mixed.transpose(1, 2).reshape(-1, count, dim))


@torch.no_grad()
def fold(model: PlaceModel) -> PlaceModel:
    """A copy of a model for export: in every transformer block the layer scales and the attention's scale are folded.

    Its state dict and so its fingerprint are no longer the model's.
    """
    folded = copy.deepcopy(model)
    for block in folded.modules():
        if isinstance(block, Block):
            _fold_scale(block.ls1, block.attn.proj)
            _fold_scale(block.ls2, _last_layer(block.mlp))
            block.add_module("attn", PlainAttention(block.attn))
            block.add_module("ls1", nn.Identity())
            block.add_module("ls2", nn.Identity())
    return folded


def _last_layer(mlp: Mlp | SwiGlu) -> nn.Linear:
    return mlp.fc2 if isinstance(mlp, Mlp) else mlp.w3


def _fold_scale(scale: LayerScale, layer: nn.Linear) -> None:
    layer.weight.mul_(scale.gamma[:, None])
    layer.bias.mul_(scale.gamma)
