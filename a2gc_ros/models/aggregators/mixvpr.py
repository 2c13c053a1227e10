"""MixVPR: perceptrons that mix whole feature maps (Ali-bey et al., arXiv 2303.02190).

Parameter names are those of the weights published with the method, so these load without renaming.
"""

from __future__ import annotations

from torch import Tensor, nn

from a2gc_ros.errors import ModelError
from a2gc_ros.models.aggregator import Aggregator
from a2gc_ros.models.pooling import unit_rows


class Mixer(nn.Module):
    """A perceptron over the cells of the grid, the same for every channel, with a residual."""

    def __init__(self, cells: int, ratio: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.LayerNorm(cells), nn.Linear(cells, ratio * cells), nn.ReLU(), nn.Linear(ratio * cells, cells)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Channels (B, C, cells) to channels (B, C, cells)."""
        return x + self.mix(x)


class MixVPR(Aggregator):
    """MixVPR; the descriptor has channels * rows dimensions, the channel outermost. The grid is part of the weights.

    Args:
        in_channels: Channels of the feature map, as in `Aggregator`.
        token_channels: Channels of the token.
        grid_rows: Rows of the feature map.
        grid_columns: Columns of the feature map.
        channels: Channels after the projection.
        rows: Combinations of the grid's cells that are kept of each channel.
        depth: Mixers, one after the other.
        ratio: Hidden width of a mixer in units of the grid's cells.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        token_channels: int,
        grid_rows: int = 20,
        grid_columns: int = 20,
        channels: int = 1024,
        rows: int = 4,
        depth: int = 4,
        ratio: int = 1,
    ) -> None:
        super().__init__(in_channels=in_channels, token_channels=token_channels)
        self.grid = grid_rows, grid_columns
        self.descriptor_dim = channels * rows
        cells = grid_rows * grid_columns
        self.mix = nn.Sequential(*(Mixer(cells, ratio) for _ in range(depth)))
        self.channel_proj = nn.Linear(self.in_channels, channels)
        self.row_proj = nn.Linear(cells, rows)

    def check_grid(self, rows: int, columns: int) -> None:
        """Only the grid of the weights fits."""
        if (rows, columns) != self.grid:
            raise ModelError(
                f"MixVPR mixes the cells of a grid of {self.grid[0]}x{self.grid[1]} and this image size gives one of "
                f"{rows}x{columns}: use the size that it was trained for, or build it with grid_rows and grid_columns "
                "and train it."
            )

    def forward(self, features: Tensor, token: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """L2-normalized descriptors (B, channels * rows)."""
        if mask is not None:
            raise ModelError("MixVPR mixes all cells of the grid and cannot leave some out: give no mask.")
        self.check_grid(features.shape[-2], features.shape[-1])
        mixed = self.mix(features.flatten(2)).transpose(1, 2)
        return unit_rows(self.row_proj(self.channel_proj(mixed).transpose(1, 2)).flatten(1))
