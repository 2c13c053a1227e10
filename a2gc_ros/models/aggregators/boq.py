"""BoQ: learned queries that look for places among the patch features (Ali-bey et al., arXiv 2405.07364).

Parameter names are those of the weights published with the method, so these load without renaming.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregator import Aggregator, flat_mask
from a2gc_ros.models.pooling import unit_rows

HEAD_WIDTH = 64
"""Channels of an attention head in the published models."""

FEED_FORWARD = 4
"""Width of the hidden layer of an encoder, in units of its channels."""


class CrossAttention(nn.Module):
    """Multi-head attention whose three input projections are packed in one, as torch's own module names them."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, queries: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """What queries (B or 1, q, c) gather from tokens (B, n, c): (B, q, c); mask (B, n), true where one counts."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        query, key, value = (
            functional.linear(x, weight, bias).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((queries, tokens, tokens), weights, biases, strict=True)
        )
        seen = None if mask is None else mask[:, None, None]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """A transformer layer over the tokens that normalizes after each residual, with a ReLU in between."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.self_attn = CrossAttention(channels, heads)
        self.linear1 = nn.Linear(channels, FEED_FORWARD * channels)
        self.linear2 = nn.Linear(FEED_FORWARD * channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens (B, n, c) to tokens (B, n, c)."""
        tokens = self.norm1(tokens + self.self_attn(tokens, tokens, mask))
        return self.norm2(tokens + self.linear2(functional.relu(self.linear1(tokens))))


class QueryBlock(nn.Module):
    """An encoder of the tokens, and a bag of queries that look at what it gives."""

    def __init__(self, channels: int, queries: int, heads: int) -> None:
        super().__init__()
        self.encoder = Encoder(channels, heads)
        self.queries = nn.Parameter(torch.randn(1, queries, channels))
        self.self_attn = CrossAttention(channels, heads)
        self.norm_q = nn.LayerNorm(channels)
        self.cross_attn = CrossAttention(channels, heads)
        self.norm_out = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Refined tokens (B, n, c), and what the queries found, (B, q, c), without a residual of their own."""
        tokens = self.encoder(tokens, mask)
        queries = self.norm_q(self.queries + self.self_attn(self.queries, self.queries))
        return tokens, self.norm_out(self.cross_attn(queries, tokens, mask))


class BoQ(Aggregator):
    """Bag of queries; the descriptor has channels * rows dimensions, the channel outermost.

    Args:
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.
        channels: Channels that the map is reduced to by a 3x3 convolution.
        queries: Queries of each block.
        layers: Blocks, one on top of the other.
        rows: Combinations of all blocks' queries that are kept.
        heads: Heads of every attention; one for each 64 channels if not given.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        token_channels: int,
        channels: int = 384,
        queries: int = 64,
        layers: int = 2,
        rows: int = 32,
        heads: int | None = None,
    ) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        heads = max(channels // HEAD_WIDTH, 1) if heads is None else heads
        if channels % heads:
            raise ModelError(f"BoQ cannot divide {channels} channels among {heads} heads; choose a divisor.")
        self.descriptor_dim = channels * rows
        self.proj_c = nn.Conv2d(self.in_channels, channels, 3, padding=1)
        self.norm_input = nn.LayerNorm(channels)
        self.boqs = nn.ModuleList(QueryBlock(channels, queries, heads) for _ in range(layers))
        self.fc = nn.Linear(layers * queries, rows)

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, channels * rows)."""
        tokens = self.norm_input(self.proj_c(features).flatten(2).transpose(1, 2))
        counts = flat_mask(mask)
        found: list[Tensor] = []
        for block in self.boqs:
            tokens, answers = block(tokens, counts)
            found.append(answers)
        return unit_rows(self.fc(torch.cat(found, dim=1).transpose(1, 2)).flatten(1))
