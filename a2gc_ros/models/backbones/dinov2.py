"""DINOv2 vision transformers with 14-pixel patches (Oquab et al., arXiv 2304.07193).

Parameter names are those of the weights published with the original hub models, so these load without renaming.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2gc_ros.errors import ModelError
from a2gc_ros.models.backbone import Backbone, Features
from a2gc_ros.models.baked import Baked

PATCH = 14
TRAINED_GRID = 37
"""Patches along each side of the 518-pixel images the published position embeddings belong to."""

REGISTERS = 4
MLP_RATIO = 4


@dataclass(frozen=True)
class DinoV2Size:
    """Width, depth and feed-forward kind of one published size, and the grid its position embedding belongs to."""

    dim: int
    depth: int
    heads: int
    swiglu: bool = False
    trained_grid: int = TRAINED_GRID


SIZES = {
    "vits14": DinoV2Size(dim=384, depth=12, heads=6),
    "vitb14": DinoV2Size(dim=768, depth=12, heads=12),
    "vitl14": DinoV2Size(dim=1024, depth=24, heads=16),
    "vitg14": DinoV2Size(dim=1536, depth=40, heads=24, swiglu=True),
}


class PatchEmbed(nn.Module):
    """Cuts the image into patches and projects each to a token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) to tokens (B, n, d), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) to tokens (B, n, d)."""
        batch, count, dim = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, dim))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, MLP_RATIO * dim)
        self.fc2 = nn.Linear(MLP_RATIO * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) to tokens (B, n, d)."""
        return self.fc2(functional.gelu(self.fc1(x)))


class SwiGlu(nn.Module):
    """Gated feed-forward of the largest size; its hidden width is 2/3 of the usual, rounded up to eights."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = (int(MLP_RATIO * dim * 2 / 3) + 7) // 8 * 8
        self.w12 = nn.Linear(dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) to tokens (B, n, d)."""
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)


class LayerScale(nn.Module):
    """A learnable factor for each channel of a residual branch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) times gamma (d,)."""
        return x * self.gamma


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, size: DinoV2Size) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size.dim, eps=1e-6)
        self.attn = Attention(size.dim, size.heads)
        self.ls1 = LayerScale(size.dim)
        self.norm2 = nn.LayerNorm(size.dim, eps=1e-6)
        self.mlp = SwiGlu(size.dim) if size.swiglu else Mlp(size.dim)
        self.ls2 = LayerScale(size.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, d) to tokens (B, n, d)."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class DinoV2(Backbone):
    """A DINOv2 model as a backbone: patch tokens as the map, class token as the token.

    Args:
        variant: One of `SIZES`.
        registers: Whether this is the variant with four register tokens. The hub models of that variant also
            interpolate the position embedding differently: antialiased, to an exact size.
        depth: Number of blocks; the published depth if not given.
        final_norm: Whether map and token pass the final norm, as in most methods; BoQ takes them before it.
    """

    def __init__(
        self, *, variant: str = "vitb14", registers: bool = False, depth: int | None = None, final_norm: bool = True
    ) -> None:
        super().__init__()
        if variant not in SIZES:
            raise ModelError(f"DINOv2 has no size {variant!r}; choose one of {', '.join(SIZES)}.")
        size = SIZES[variant]
        self.out_channels = self.token_channels = size.dim
        self.stride = PATCH
        self.registers = REGISTERS if registers else 0
        self.trained_grid = size.trained_grid
        self.patch_embed = PatchEmbed(size.dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + size.trained_grid**2, size.dim))
        if registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, REGISTERS, size.dim))
        # Only DINOv2's own pre-training uses it; it is here because the published weights hold it.
        self.mask_token = nn.Parameter(torch.zeros(1, size.dim), requires_grad=False)
        self.blocks = nn.ModuleList([Block(size) for _ in range(size.depth if depth is None else depth)])
        self.norm = nn.LayerNorm(size.dim, eps=1e-6) if final_norm else nn.Identity()
        self.baked = Baked()
        self._initialize()

    def forward(self, images: Tensor) -> Features:
        """Features of normalized images (B, 3, H, W): map (B, d, H/14, W/14) and class token (B, d)."""
        rows, columns = self.grid(images.shape[-2], images.shape[-1])
        x = self.patch_embed(images)
        batch = x.shape[0]
        x = torch.cat((self.cls_token.expand(batch, -1, -1), x), dim=1) + self.baked.get(
            (rows, columns), self.interpolate_positions
        )
        if self.registers:
            x = torch.cat((x[:, :1], self.register_tokens.expand(batch, -1, -1), x[:, 1:]), dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        patches = x[:, 1 + self.registers :].transpose(1, 2)
        return Features(patches.reshape(batch, self.out_channels, rows, columns), x[:, 0])

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches.

        Raises:
            ModelError: A side does not divide by the patch size; the message names the two nearest sides that do.
        """
        for name, side in (("height", height), ("width", width)):
            if side % PATCH or side < PATCH:
                below = max(side // PATCH, 1) * PATCH
                raise ModelError(
                    f"DINOv2 takes image sides that are multiples of {PATCH}, and the {name} {side} is not: "
                    f"use {below} or {below + PATCH}."
                )
        return height // PATCH, width // PATCH

    def interpolate_positions(self, rows: int, columns: int) -> Tensor:
        """Position embedding (1, 1 + rows*columns, d) for a grid of patches, as the hub models compute it.

        Without registers the bicubic scale is (side + 0.1) / 37, a historical guard against rounding which the
        weights were evaluated with; with registers the target size is given and antialiasing is on.
        """
        trained = self.trained_grid
        if rows == columns == trained:
            return self.pos_embed
        patches = self.pos_embed[:, 1:].float()
        patches = patches.reshape(1, trained, trained, -1).permute(0, 3, 1, 2)
        if self.registers:
            patches = functional.interpolate(patches, size=(rows, columns), mode="bicubic", antialias=True)
        else:
            scale = ((rows + 0.1) / trained, (columns + 0.1) / trained)
            patches = functional.interpolate(patches, scale_factor=scale, mode="bicubic")
        patches = patches.flatten(2).transpose(1, 2).to(self.pos_embed.dtype)
        return torch.cat((self.pos_embed[:, :1], patches), dim=1)

    def bake(self, height: int, width: int) -> None:
        """Keeps the position embedding of one image size as a constant: nothing is interpolated any more."""
        grid = self.grid(height, width)
        self.baked.keep(grid, self.interpolate_positions(*grid))

    def set_trainable_blocks(self, count: int | None) -> None:
        """As in every backbone; the mask token never trains."""
        super().set_trainable_blocks(count)
        self.mask_token.requires_grad_(False)

    def blocks_by_depth(self) -> Sequence[Sequence[nn.Module]]:
        """The transformer blocks."""
        return [[block] for block in self.blocks]

    def final_modules(self) -> Sequence[nn.Module]:
        """The final norm."""
        return [self.norm]

    def _initialize(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.normal_(self.cls_token, std=1e-6)
        if self.registers:
            nn.init.normal_(self.register_tokens, std=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=1 / math.sqrt(3 * PATCH**2))
